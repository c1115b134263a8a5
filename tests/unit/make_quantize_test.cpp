// Dynamic quantization of whole folders: equal to the tools' bit for bit, and what is refused.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "a8w8/half.h"
#include "a8w8/make_checkpoint.h"
#include "support/checkpoint_builder.h"
#include "support/checkpoint_files.h"

namespace a8w8 {
namespace {

namespace fs = std::filesystem;
using testing::CheckpointBuilder;
using testing::entries_of;
using testing::expect_error;
using testing::FileSizeLimit;
using testing::read_bytes;
using testing::TempFolder;
using testing::write_bytes;
using Json = nlohmann::json;
using Names = std::set<std::string>;

const std::string kData = A8W8_TEST_DATA;
const std::string kFloat = kData + "/float-bf16";

QuantizeCheckpointOptions options_of(CheckpointFormat format) {
  QuantizeCheckpointOptions options;
  options.format = format;
  return options;
}

void expect_same_bytes(const ConstTensorView& got, const ConstTensorView& expected) {
  ASSERT_STREQ(dtype_name(got.dtype), dtype_name(expected.dtype));
  ASSERT_EQ(got.sizes.str(), expected.sizes.str());
  EXPECT_EQ(std::memcmp(got.data, expected.data, static_cast<size_t>(got.numel()) * dtype_size(got.dtype)), 0);
}

void expect_same_tensors(const SafetensorsFile& got, const SafetensorsFile& expected) {
  EXPECT_EQ(got.tensors().size(), expected.tensors().size());
  for (const NamedTensor& tensor : expected.tensors()) {
    SCOPED_TRACE(tensor.name);
    expect_same_bytes(got.tensor(tensor.name), tensor.view);
  }
}

TEST(QuantizeCheckpoint, EqualsLlmCompressorBitForBit) {
  const TempFolder folder;
  const auto report = quantize_checkpoint(kFloat, folder / "out", options_of(CheckpointFormat::kCompressedTensors));
  EXPECT_EQ(report.quantized.size(), 14u);
  EXPECT_TRUE(report.warnings.empty());
  ASSERT_EQ(report.kept.size(), 2u);
  const std::string sample = kData + "/compressed-tensors-dyn-bf16";
  expect_same_tensors(SafetensorsFile::open(folder / "out/model.safetensors"),
                      SafetensorsFile::open(sample + "/model.safetensors"));
  EXPECT_EQ(Json::parse(read_bytes(folder / "out/config.json")), Json::parse(read_bytes(sample + "/config.json")));
  EXPECT_EQ(entries_of(folder / "out"),
            (Names{"model.safetensors", "config.json", "generation_config.json", "chat_template.jinja",
                   "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"}));
}

// Its files of the older layout have scales, offsets and biases in bfloat16, ours of the present one in float32.
TEST(QuantizeCheckpoint, EqualsMsModelSlimNumberForNumber) {
  const TempFolder folder;
  quantize_checkpoint(kFloat, folder / "out", options_of(CheckpointFormat::kMsModelSlim));
  const auto got = SafetensorsFile::open(folder / "out/quant_model_weights-00001-of-00001.safetensors");
  const auto expected =
      SafetensorsFile::open(kData + "/msmodelslim-v0-dyn-bf16/quant_model_weight_w8a8_dynamic.safetensors");
  EXPECT_EQ(got.tensors().size(), expected.tensors().size());
  for (const NamedTensor& tensor : expected.tensors()) {
    SCOPED_TRACE(tensor.name);
    const ConstTensorView ours = got.tensor(tensor.name);
    if (ours.dtype == tensor.view.dtype) {
      expect_same_bytes(ours, tensor.view);
      continue;
    }
    ASSERT_EQ(ours.sizes.str(), tensor.view.sizes.str());
    ASSERT_TRUE(ours.dtype == DType::kF32 && tensor.view.dtype == DType::kBF16);
    for (int64_t i = 0; i < ours.numel(); ++i) {
      ASSERT_EQ(static_cast<const float*>(ours.data)[i],
                bfloat16_to_float(static_cast<const uint16_t*>(tensor.view.data)[i]));
    }
  }
}

TEST(QuantizeCheckpoint, HasTheLayoutOfMsModelSlimV1) {
  const TempFolder folder;
  const auto report = quantize_checkpoint(kFloat, folder / "out", {});
  const Checkpoint got = Checkpoint::open(folder / "out");
  const Checkpoint expected = Checkpoint::open(kData + "/msmodelslim-v1-static-bf16");
  EXPECT_EQ(got.quantized_layers().size(), 14u);
  for (const std::string& layer : report.quantized) {
    SCOPED_TRACE(layer);
    EXPECT_EQ(got.quant_type(layer), "W8A8_DYNAMIC");
    EXPECT_EQ(got.tensor(layer + ".weight").sizes.str(), expected.tensor(layer + ".weight").sizes.str());
    EXPECT_EQ(got.tensor(layer + ".weight_scale").dtype, DType::kF32);
    EXPECT_EQ(got.tensor(layer + ".weight_offset").dtype, DType::kF32);
    ASSERT_EQ(got.contains(layer + ".bias"), expected.contains(layer + ".bias"));
    if (got.contains(layer + ".bias")) expect_same_bytes(got.tensor(layer + ".bias"), expected.tensor(layer + ".bias"));
  }
  expect_same_bytes(got.tensor("lm_head.weight"), expected.tensor("lm_head.weight"));
  EXPECT_EQ(read_bytes(folder / "out/config.json"), read_bytes(kFloat + "/config.json"));
}

TEST(QuantizeCheckpoint, DoesNotDependOnThreadsAndParts) {
  const TempFolder folder;
  QuantizeCheckpointOptions options;
  options.max_part_bytes = 50'000;
  for (const int threads : {1, 5}) {
    options.num_threads = threads;
    quantize_checkpoint(kFloat, folder / std::to_string(threads), options);
  }
  const Names names = entries_of(folder / "1");
  EXPECT_GT(names.size(), 10u);
  ASSERT_EQ(names, entries_of(folder / "5"));
  for (const std::string& name : names)
    EXPECT_EQ(read_bytes(folder / ("1/" + name)), read_bytes(folder / ("5/" + name)));
}

TEST(QuantizeCheckpoint, SkipsWhatItIsToldTo) {
  const TempFolder folder;
  QuantizeCheckpointOptions options;
  options.skip = {"*.mlp.down_proj", "model.layers.0.self_attn.[qkv]_proj", "lm_head"};
  const auto report = quantize_checkpoint(kFloat, folder / "out", options);
  EXPECT_EQ(report.quantized.size(), 9u);
  EXPECT_EQ(report.kept.size(), 7u);
  EXPECT_TRUE(report.warnings.empty());
  const Checkpoint got = Checkpoint::open(folder / "out");
  const SafetensorsFile source = SafetensorsFile::open(kFloat + "/model.safetensors");
  expect_same_bytes(got.tensor("model.layers.1.mlp.down_proj.weight"),
                    source.tensor("model.layers.1.mlp.down_proj.weight"));
}

TEST(QuantizeCheckpoint, RefusesPatternsThatCannotBeMeant) {
  const TempFolder folder;
  const auto refuses = [&folder](const std::string& pattern, const std::vector<std::string>& parts) {
    QuantizeCheckpointOptions options;
    options.skip = {pattern};
    expect_error(ErrorCode::kInvalidArgument, parts, [&] { quantize_checkpoint(kFloat, folder / "out", options); });
  };
  refuses("*.down_prj", {kFloat, "\"*.down_prj\"", "matches no layer", "look like \"lm_head\""});
  refuses("*", {kFloat, "no linear layer"});
  refuses("*.0.self_attn.k_proj", {"k_proj.weight\" is of type FLOAT", "q_proj", "same type"});
  EXPECT_TRUE(entries_of(folder.path()).empty());
}

// A folder with one file of these tensors.
void write_model(const std::string& folder, const CheckpointBuilder& builder,
                 const std::string& config = "{\"model_type\": \"x\"}") {
  fs::create_directories(folder);
  write_safetensors(folder + "/model.safetensors", builder.named());
  write_bytes(folder + "/config.json", config);
}

TEST(QuantizeCheckpoint, TakesEveryFloatDType) {
  const TempFolder folder;
  const std::vector<float> values = {0.5f, -1.0f, 0.25f, 0.1f, -0.3f, 0.6f, 0.9f, -1.27f};
  std::vector<uint16_t> halves, brains;
  for (const float value : values) halves.push_back(float_to_half(value)), brains.push_back(float_to_bfloat16(value));
  CheckpointBuilder builder;
  builder.f32("a.weight", "", {2, 4}, values);
  builder.set("b.weight", "", DType::kF16, {2, 4}, halves);
  builder.set("c.weight", "", DType::kBF16, {2, 4}, brains);
  write_model(folder / "in", builder);
  quantize_checkpoint(folder / "in", folder / "out", {});
  const Checkpoint got = Checkpoint::open(folder / "out");
  const auto scale = [&got](const char* name) { return static_cast<const float*>(got.tensor(name).data)[1]; };
  EXPECT_EQ(scale("a.weight_scale"), 1.27f / 127);
  EXPECT_EQ(scale("b.weight_scale"), half_to_float(float_to_half(-half_to_float(halves[7]) / 127)));
  EXPECT_EQ(scale("c.weight_scale"), bfloat16_to_float(float_to_bfloat16(-bfloat16_to_float(brains[7]) / 127)));
  const int8_t expected[] = {64, -127, 32, 13, -30, 60, 90, -127};
  EXPECT_EQ(std::memcmp(got.tensor("a.weight").data, expected, 8), 0);
}

TEST(QuantizeCheckpoint, RefusesWeightsThatAreNotFinite) {
  const TempFolder folder;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    std::vector<float> values(12, 1.0f);
    values[9] = bad;
    write_model(folder / "in", CheckpointBuilder().f32("a.weight", "", {3, 4}, values));
    expect_error(ErrorCode::kCorrupt,
                 {folder / "in", "\"a.weight\"", std::isnan(bad) ? "NaN" : "infinity", "row 2, column 1"},
                 [&] { quantize_checkpoint(folder / "in", folder / "out", {}); });
  }
  EXPECT_EQ(entries_of(folder.path()), Names{"in"});
}

TEST(QuantizeCheckpoint, RefusesModelsWithTransposedWeights) {
  const TempFolder folder;
  const auto refuses = [&folder](const std::vector<std::string>& parts) {
    expect_error(ErrorCode::kUnsupported, parts, [&] { quantize_checkpoint(folder / "in", folder / "out", {}); });
  };
  const CheckpointBuilder plain = CheckpointBuilder().f32("h.0.mlp.c_fc.weight", "", {2, 8}, {1});
  write_model(folder / "in", plain, "{\"model_type\": \"gpt2\"}");
  refuses({"config.json", "gpt2", "transposed"});
  write_model(folder / "in", plain, "{\"decoder\": {\"model_type\": \"gpt2\"}}");
  refuses({"gpt2"});
  write_model(folder / "in", CheckpointBuilder().f32("h.0.attn.c_attn.weight", "", {2, 6}, {1}));
  refuses({"c_attn.weight", "Conv1D"});
}

TEST(QuantizeCheckpoint, RefusesWhatIsQuantizedAlready) {
  const TempFolder folder;
  for (const char* sample : {"/msmodelslim-v0-dyn-bf16", "/compressed-tensors-dyn-bf16"}) {
    expect_error(ErrorCode::kUnsupported, {sample, "quantized already"},
                 [&] { quantize_checkpoint(kData + sample, folder / "out", {}); });
  }
  expect_error(ErrorCode::kNotFound, {folder / "none"},
               [&] { quantize_checkpoint(folder / "none", folder / "out", {}); });
  EXPECT_TRUE(entries_of(folder.path()).empty());
}

TEST(QuantizeCheckpoint, AFullDiskLeavesWhatWasThere) {
  const TempFolder folder;
  quantize_checkpoint(kFloat, folder / "out", {});
  const Names before = entries_of(folder / "out");
  {
    const FileSizeLimit limit(200'000);
    expect_error(ErrorCode::kIo, {"quant_model_weights", "cannot write", "File too large"},
                 [&] { quantize_checkpoint(kFloat, folder / "out", {}); });
  }
  EXPECT_EQ(entries_of(folder.path()), Names{"out"});
  EXPECT_EQ(entries_of(folder / "out"), before);
  EXPECT_EQ(Checkpoint::open(folder / "out").quantized_layers().size(), 14u);
}

TEST(QuantizeCheckpoint, TellsItsProgressAndCanBeEnded) {
  const TempFolder folder;
  int64_t last = -1, total = 0;
  QuantizeCheckpointOptions options;
  options.progress = [&](const CheckpointProgress& progress) {
    EXPECT_GE(progress.done_bytes, last);
    last = progress.done_bytes;
    total = progress.total_bytes;
  };
  const auto report = quantize_checkpoint(kFloat, folder / "out", options);
  EXPECT_EQ(last, total);
  EXPECT_EQ(total, report.read_bytes);
  EXPECT_GT(total, 700'000);
  options.progress = [](const CheckpointProgress& progress) {
    if (progress.done_bytes > 100'000) throw 7;
  };
  EXPECT_THROW(quantize_checkpoint(kFloat, folder / "next", options), int);
  EXPECT_EQ(entries_of(folder.path()), Names{"out"});
}

}  // namespace
}  // namespace a8w8
