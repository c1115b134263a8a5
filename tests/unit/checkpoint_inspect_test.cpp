// The report on a folder: what it counts, and that it goes on past everything that is wrong.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "a8w8/inspect.h"
#include "support/checkpoint_folders.h"

namespace a8w8 {
namespace {

namespace fs = std::filesystem;
using namespace testing;  // folders and builders

const Finding* find(const CheckpointReport& report, const std::string& tensor, const std::string& found) {
  for (const Finding& finding : report.findings) {
    if (finding.tensor == tensor && finding.found.find(found) != std::string::npos) return &finding;
  }
  return nullptr;
}

TEST(Inspect, CountsTheSamples) {
  const CheckpointReport report = inspect(A8W8_TEST_DATA "/msmodelslim-v1-static-bf16");
  EXPECT_TRUE(report.ok());
  EXPECT_TRUE(report.findings.empty());
  EXPECT_EQ(report.format, "msmodelslim");
  EXPECT_EQ(report.scheme, "msModelSlim checkpoint: 14 layers W8A8; the rest is bfloat16");
  EXPECT_EQ(report.model_dtype, "bfloat16");
  EXPECT_EQ(report.architectures, std::vector<std::string>{"Qwen2ForCausalLM"});
  ASSERT_EQ(report.groups.size(), 2u);
  EXPECT_EQ(report.groups[0].quant_type, "W8A8");
  EXPECT_EQ(report.groups[0].layers, 14);
  EXPECT_EQ(report.groups[0].tensors, 76);
  EXPECT_EQ(report.groups[1].quant_type, "FLOAT");
  EXPECT_EQ(report.total_bytes, report.groups[0].bytes + report.groups[1].bytes);
  EXPECT_EQ(report.float_layers, (std::vector<std::string>{"lm_head", "model.embed_tokens"}));
  EXPECT_EQ(inspect(A8W8_TEST_DATA "/compressed-tensors-dyn-bf16").groups[0].quant_type, "int8 dynamic");
}

TEST(Inspect, GivesEachFindingItsParts) {
  const TempFolder folder;
  CheckpointBuilder builder;
  builder.static_layer("a").dynamic_layer("b").f32("a.input_offset", "W8A8", {1}, {0.5f}).remove("b.weight_scale");
  write_msmodelslim(folder, builder, "\"ghost.weight\":\"FLOAT\"");
  const CheckpointReport report = inspect(folder.path());
  EXPECT_FALSE(report.ok());
  ASSERT_EQ(report.findings.size(), 3u);
  const Finding* offset = find(report, "a.input_offset", "");
  ASSERT_NE(offset, nullptr);
  EXPECT_EQ(offset->file, "model.safetensors");
  EXPECT_EQ(offset->found, "has 0.5 at index 0");
  EXPECT_EQ(offset->expected, "an integer from -128 to 127");
  EXPECT_NE(offset->cause.find("never rounded"), std::string::npos);
  EXPECT_FALSE(offset->is_warning);
  EXPECT_EQ(find(report, "ghost.weight", "no file holds it")->file, "quant_model_description.json");
  EXPECT_NE(find(report, "b.weight_scale", "is missing"), nullptr);
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json["ok"], false);
  EXPECT_EQ(json["findings"].size(), 3u);
}

TEST(Inspect, GoesOnPastADamagedShardAndBlamesNobodyElse) {
  const TempFolder folder;
  CheckpointBuilder a, b;
  a.static_layer("a").f32("a.deq_scale", "W8A8", {3}, {-1});
  b.dynamic_layer("b");
  write_safetensors(folder / "one.safetensors", a.named());
  write_safetensors(folder / "two.safetensors", b.named());
  const std::string types_a = a.description(), types_b = b.description();
  write_bytes(folder / "quant_model_description.json", types_a.substr(0, types_a.size() - 1) + "," + types_b.substr(1));
  fs::resize_file(folder / "two.safetensors", 100);
  const CheckpointReport report = inspect(folder.path());
  ASSERT_EQ(report.findings.size(), 2u);
  EXPECT_EQ(report.findings[0].file, "two.safetensors");
  EXPECT_NE(report.findings[0].found.find("cut short"), std::string::npos);
  EXPECT_EQ(report.findings[1].tensor, "a.deq_scale");

  // With an index it is known that the tensor is in no damaged file.
  const std::string entries = R"("a.weight":"one.safetensors","a.gone":"one.safetensors","b.weight":"two.safetensors")";
  write_bytes(folder / "model.safetensors.index.json", "{\"weight_map\":{" + entries + "}}");
  EXPECT_NE(find(inspect(folder.path()), "a.gone", "is missing from one.safetensors"), nullptr);
  EXPECT_EQ(find(inspect(folder.path()), "b.weight", ""), nullptr);
}

TEST(Inspect, ShardsOfFusedLayersMustAgree) {
  const TempFolder folder;
  CheckpointBuilder builder;
  builder.static_layer("l.q_proj").static_layer("l.k_proj").dynamic_layer("l.v_proj");
  builder.f32("l.k_proj.input_scale", "W8A8", {1}, {0.02f}).static_layer("m.gate_proj");
  builder.f32("m.up_proj.weight", "FLOAT", {3, 4}, {1}).static_layer("n.gate_proj").static_layer("n.up_proj");
  write_msmodelslim(folder, builder);
  const CheckpointReport report = inspect(folder.path());
  EXPECT_EQ(report.findings.size(), 3u);
  const Finding* type = find(report, "l.v_proj.weight", "is of type W8A8_DYNAMIC, but l.q_proj.weight");
  ASSERT_NE(type, nullptr);
  EXPECT_FALSE(type->is_warning);
  ASSERT_NE(find(report, "m.up_proj.weight", "is of type FLOAT"), nullptr);
  const Finding* scale = find(report, "l.k_proj.input_scale", "is 0.02, but l.q_proj.input_scale is 0.01");
  ASSERT_NE(scale, nullptr);
  EXPECT_TRUE(scale->is_warning);
}

TEST(Inspect, CachesAndAttentionAreOneWarning) {
  const TempFolder folder;
  CheckpointBuilder builder;
  builder.dynamic_layer("l.k_proj")
      .f32("l.k_proj.kv_cache_scale", "C8", {4}, {1})
      .f32("l.fa_q.scale", "FAQuant", {4}, {1});
  write_msmodelslim(folder, builder,
                    R"("kv_cache_type":"C8","kv_quant_type":"C8","fa_quant_type":"FAQuant","l.quant_type":"FAQuant")");
  const CheckpointReport report = inspect(folder.path());
  EXPECT_TRUE(report.ok());
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_NE(report.findings[0].found.find("cache of keys and values (C8) and quantized attention (FAQuant)"),
            std::string::npos)
      << report.findings[0].found;
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  EXPECT_TRUE(checkpoint.is_ignored("l.fa_q.scale"));
  EXPECT_FALSE(checkpoint.is_ignored("l.k_proj.weight"));
}

TEST(Inspect, FloatTensorsOutsideTheDescriptionAreOneWarning) {
  const TempFolder folder;
  CheckpointBuilder builder;
  builder.dynamic_layer("a").f32("b.inv_freq", "FLOAT", {2}, {1}).f32("c.inv_freq", "FLOAT", {2}, {1});
  write_safetensors(folder / "model.safetensors", builder.named());
  write_bytes(folder / "quant_model_description.json", CheckpointBuilder().dynamic_layer("a").description());
  const CheckpointReport report = inspect(folder.path());
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_TRUE(report.findings[0].is_warning);
  EXPECT_NE(report.findings[0].found.find("and 1 others are not named"), std::string::npos);
}

TEST(Inspect, TensorsThatTheIndexLeavesOutAreOneWarning) {
  const TempFolder folder;
  CheckpointBuilder builder;
  write_msmodelslim(folder, builder.dynamic_layer("a").dynamic_layer("b"));
  write_bytes(folder / "model.safetensors.index.json",
              R"({"weight_map":{"a.weight":"model.safetensors","a.weight_scale":"model.safetensors"}})");
  const CheckpointReport report = inspect(folder.path());
  EXPECT_TRUE(report.ok());
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_TRUE(report.findings[0].is_warning);
  EXPECT_TRUE(report.findings[0].found.starts_with("is not in the index, nor are ")) << report.findings[0].found;
}

TEST(Inspect, Int4WeightsMustAgreeWithScaleBias) {
  const TempFolder folder;
  const auto write = [&](const std::vector<int8_t>& bytes, const Dims& sizes, const std::vector<float>& scale_bias) {
    CheckpointBuilder builder;
    builder.i8("a.weight", "W4A8_DYNAMIC", {1, 4}, bytes).f32("a.weight_scale", "W4A8_DYNAMIC", {2, 1}, {0.5f, 0.25f});
    write_msmodelslim(folder, builder.f32("a.scale_bias", "W4A8_DYNAMIC", sizes, scale_bias));
  };
  write({113, -2, 3, 88}, {2, 1}, {-24, 22});
  EXPECT_TRUE(inspect(folder.path()).ok());
  write({113, -2, 3, 88}, {2, 2}, {-4, -20, 12, 10});  // the sums of two slices of k
  EXPECT_TRUE(inspect(folder.path()).ok());
  write({23, -17, 48, -123}, {2, 1}, {-24, 22});  // nibbles exchanged
  const CheckpointReport report = inspect(folder.path());
  ASSERT_NE(find(report, "a.scale_bias", "in row 0"), nullptr);
  EXPECT_NE(report.findings[0].cause.find("another order"), std::string::npos);
  write({113, -2, 3, 88}, {3, 1}, {-24, 22, 1});
  EXPECT_NE(find(inspect(folder.path()), "a.scale_bias", "has shape (3, 1)"), nullptr);
}

TEST(Inspect, TypesThatAreNotComputedAreExplainedOnceEach) {
  const struct {
    const char *type, *part;
  } rows[] = {{"W8A8SC", "only CANN can expand"},
              {"W8A8S", "sparse int8"},
              {"W8A16", "weight-only"},
              {"W4A16", "weight-only"},
              {"W4A4_DYNAMIC", "int4 activations"},
              {"W4A4_FLATQUANT_DYNAMIC", "FlatQuant"},
              {"W8A8_SVD_DYNAMIC", "low-rank"},
              {"WFP8AFP8_DYNAMIC", "fp8"},
              {"W8A8_MXFP8", "mx"},
              {"W4A8_MXFP", "mx"},
              {"W8A8_TIMESTEP", "diffusion"},
              {"W16A16S", "sparse float"},
              {"NF4", "4-bit normal"},
              {"W9A9", "does not know"}};
  for (const auto& [type, part] : rows) {
    SCOPED_TRACE(type);
    const TempFolder folder;
    CheckpointBuilder builder;
    builder.i8("a.weight", type, {3, 4}, {1}).i8("b.weight", type, {3, 4}, {1}).f32("n.weight", type, {4}, {1});
    write_msmodelslim(folder, builder);
    expect_error(ErrorCode::kUnsupported, {"\"a.weight\"", std::string("of type ") + type, part, "1 other", "needed: "},
                 [&] { Checkpoint::open(folder.path()); });
    EXPECT_EQ(inspect(folder.path()).findings.size(), 1u);
  }
}

TEST(Inspect, FloatFoldersAreFineUnlessTheyHoldInt8) {
  const TempFolder folder;
  CheckpointBuilder builder;
  write_safetensors(folder / "model.safetensors", builder.f32("a.weight", "", {3, 4}, {1}).named());
  write_bytes(folder / "config.json", R"({"torch_dtype":"float16"})");
  const CheckpointReport report = inspect(folder.path());
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.format, "float");
  EXPECT_EQ(report.model_dtype, "float16");
  EXPECT_EQ(report.scheme, "float model without quantized layers, float32");
  write_safetensors(folder / "model.safetensors", builder.i8("b.weight", "", {3, 4}, {1}).named());
  EXPECT_NE(find(inspect(folder.path()), "b.weight", "nothing says how it was quantized"), nullptr);
}

TEST(Inspect, NamesTheFolderThatIsNotThere) {
  expect_error(ErrorCode::kNotFound, {"/no/such/folder"}, [] { inspect("/no/such/folder"); });
  const TempFolder folder;
  EXPECT_EQ(inspect(folder.path()).format, "unknown");
  EXPECT_FALSE(inspect(folder.path()).ok());
}

}  // namespace
}  // namespace a8w8
