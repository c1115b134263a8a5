// Which tensors of the usual architectures are linear layers.
#include <gtest/gtest.h>

#include <string>

#include "checkpoint/linear_names.h"

namespace a8w8::checkpoint {
namespace {

void expect_kind(WeightKind kind, std::initializer_list<const char*> layers) {
  for (const std::string layer : layers)
    EXPECT_EQ(weight_kind(layer + ".weight", DType::kBF16, {64, 32}), kind) << layer;
}

TEST(LinearNames, KnowTheLayersOfTheUsualArchitectures) {
  expect_kind(WeightKind::kLinear, {"model.layers.0.self_attn.q_proj",
                                    "model.layers.0.mlp.gate_proj",
                                    "model.layers.3.mlp.experts.7.w1",
                                    "model.layers.0.mlp.shared_experts.down_proj",
                                    "encoder.layer.0.attention.self.query",
                                    "encoder.layer.0.output.dense",
                                    "pooler.dense",
                                    "gpt_neox.layers.0.attention.query_key_value",
                                    "gpt_neox.layers.0.mlp.dense_h_to_4h",
                                    "transformer.h.0.self_attention.query_key_value",
                                    "decoder.block.0.layer.0.SelfAttention.q",
                                    "encoder.block.0.layer.1.DenseReluDense.wi_0",
                                    "encoder.embedding_hidden_mapping_in",
                                    "electra.embeddings_project",
                                    "backbone.layers.0.mixer.in_proj",
                                    "visual.blocks.0.attn.qkv",
                                    "model.layers.0.self_attn.kv_a_proj_with_mqa",
                                    "classifier",
                                    "score",
                                    "vision_model.encoder.layers.0.mlp.fc1",
                                    "multi_modal_projector.linear_1",
                                    "cls.predictions.transform.dense"});
}

TEST(LinearNames, LeaveOutEmbeddingsHeadsAndRouters) {
  expect_kind(WeightKind::kEmbedding,
              {"model.embed_tokens", "transformer.wte", "transformer.wpe", "shared", "gpt_neox.embed_in",
               "embeddings.word_embeddings", "bert.embeddings.position_embeddings", "embeddings.token_type_embeddings",
               "transformer.word_embeddings", "decoder.block.0.layer.0.SelfAttention.relative_attention_bias",
               "model.decoder.embed_positions", "backbone.embeddings", "model.embed_tokens_per_layer",
               "encoder.layer.0.attention.self.distance_embedding", "vision_model.embeddings.class_table"});
  expect_kind(WeightKind::kHead, {"lm_head", "model.lm_head", "lm_heads.3", "embed_out", "cls.predictions.decoder",
                                  "language_model.lm_head", "decoder.output_projection", "proj_out"});
  expect_kind(WeightKind::kRouter, {"model.layers.0.mlp.gate", "model.layers.0.block_sparse_moe.gate",
                                    "model.layers.0.mlp.shared_expert_gate", "model.layers.0.feed_forward.router",
                                    "encoder.block.1.layer.1.mlp.router.classifier", "layers.0.moe.wg"});
  expect_kind(WeightKind::kOther, {"model.layers.0.input_layernorm", "model.layers.0.mixer.conv1d"});
}

TEST(LinearNames, WantAFloatMatrixOfASizeThatCanRun) {
  const std::string name = "layer.fc1.weight";
  EXPECT_EQ(weight_kind(name, DType::kF32, {64, 65535}), WeightKind::kLinear);
  EXPECT_EQ(weight_kind(name, DType::kF32, {64, 65536}), WeightKind::kOther);
  EXPECT_EQ(weight_kind(name, DType::kF32, {0, 4}), WeightKind::kOther);
  EXPECT_EQ(weight_kind(name, DType::kF32, {64}), WeightKind::kOther);
  EXPECT_EQ(weight_kind(name, DType::kF32, {64, 32, 3}), WeightKind::kOther);
  EXPECT_EQ(weight_kind(name, DType::kI8, {64, 32}), WeightKind::kOther);
  EXPECT_EQ(weight_kind("layer.fc1.bias", DType::kF32, {64, 32}), WeightKind::kOther);
  EXPECT_EQ(weight_kind(".weight", DType::kF32, {64, 32}), WeightKind::kLinear);
}

}  // namespace
}  // namespace a8w8::checkpoint
