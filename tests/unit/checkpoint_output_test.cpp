// Folders written piece by piece, in any order, and the compressed-tensors form of them.
#include "checkpoint/checkpoint_output.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/checkpoint_builder.h"
#include "support/checkpoint_files.h"

namespace a8w8::checkpoint {
namespace {

using ::a8w8::testing::entries_of;
using ::a8w8::testing::expect_error;
using ::a8w8::testing::read_bytes;
using ::a8w8::testing::TempFolder;
using ::a8w8::testing::write_bytes;
using Json = nlohmann::json;
using Names = std::set<std::string>;

constexpr const char* kConfig = "{\"model_type\": \"qwen2\", \"a\": 1e-06}";

std::vector<PlannedTensor> two_tensors() {
  return {{"x.weight", "FLOAT", DType::kI8, {3, 5}},
          {"y.weight", "FLOAT", DType::kF32, {4}},
          {"z", "FLOAT", DType::kI8, {0}}};
}

TEST(CheckpointOutput, TakesPiecesInAnyOrderFromAnyThread) {
  const TempFolder folder;
  CheckpointOutput output(folder / "out", two_tensors(), {});
  EXPECT_EQ(output.bytes(), 31);
  const std::string x = "abcdefghijklmno";
  const float y[] = {1, 2, 3, 4};
  std::thread other([&] { output.write(0, 10, x.data() + 10, 5); });
  output.write(1, 8, y + 2, 8);
  output.write(0, 0, x.data(), 10);
  output.write(1, 0, y, 8);
  other.join();
  EXPECT_EQ(entries_of(folder.path()).size(), 1u);
  output.commit(false);
  EXPECT_EQ(entries_of(folder.path()), Names{"out"});
  const SafetensorsFile file = SafetensorsFile::open(folder / "out/quant_model_weights-00001-of-00001.safetensors");
  EXPECT_EQ(std::memcmp(file.tensor("x.weight").data, x.data(), 15), 0);
  EXPECT_EQ(std::memcmp(file.tensor("y.weight").data, y, 16), 0);
  EXPECT_EQ(file.tensor("z").sizes, (Dims{0}));
  EXPECT_TRUE(file.metadata().empty());
}

TEST(CheckpointOutput, MissingBytesAreNoCheckpoint) {
  const TempFolder folder;
  {
    CheckpointOutput output(folder / "out", two_tensors(), {});
    output.write(0, 0, "abc", 3);
    EXPECT_THROW(output.commit(false), std::logic_error);
  }
  EXPECT_TRUE(entries_of(folder.path()).empty());
}

TEST(CheckpointOutput, TellsAtOnceThatTheDiskIsTooSmall) {
  const TempFolder folder;
  const int64_t bytes = int64_t{1} << 60;
  expect_error(ErrorCode::kIo, {folder / "out", "No space left", std::to_string(bytes)}, [&] {
    CheckpointOutput(folder / "out", {{"x", "FLOAT", DType::kI8, {bytes}}}, {});
  });
  EXPECT_TRUE(entries_of(folder.path()).empty());
}

// A layer of each scheme, a head, a router and an embedding.
testing::CheckpointBuilder compressed() {
  testing::CheckpointBuilder builder;
  builder.i8("a.weight", "W8A8_DYNAMIC", {3, 4}, {1}).f32("a.weight_scale", "W8A8_DYNAMIC", {3, 1}, {1});
  builder.f32("embed_tokens.weight", "FLOAT", {2, 2}, {1}).f32("lm_head.weight", "FLOAT", {2, 2}, {1});
  return builder.f32("mlp.gate.weight", "FLOAT", {2, 2}, {1}).f32("norm.weight", "FLOAT", {2}, {1});
}

CheckpointWriteOptions compressed_options() {
  CheckpointWriteOptions options;
  options.format = CheckpointFormat::kCompressedTensors;
  options.extra_files = {{"config.json", kConfig}};
  return options;
}

TEST(CompressedTensorsWriter, WritesOneFileAndTheConfig) {
  const TempFolder folder;
  write_checkpoint(folder / "out", compressed().tensors(), compressed_options());
  EXPECT_EQ(entries_of(folder / "out"), (Names{"model.safetensors", "config.json"}));
  const SafetensorsFile file = SafetensorsFile::open(folder / "out/model.safetensors");
  EXPECT_EQ(file.metadata(), (Metadata{{"format", "pt"}}));
  EXPECT_EQ(file.tensors().size(), 6u);

  const Json config = Json::parse(read_bytes(folder / "out/config.json"));
  EXPECT_EQ(config["model_type"], "qwen2");
  const Json& quantization = config["quantization_config"];
  EXPECT_EQ(quantization["ignore"], Json::array({"lm_head", "mlp.gate"}));
  ASSERT_EQ(quantization["config_groups"].size(), 1u);
  EXPECT_EQ(quantization["config_groups"]["group_0"]["targets"], Json::array({"Linear"}));
}

// The tool's own file of the sample, key by key.
TEST(CompressedTensorsWriter, WritesTheToolsQuantizationConfig) {
  const std::string sample = A8W8_TEST_DATA "/compressed-tensors-dyn-bf16/";
  const Json expected = Json::parse(read_bytes(sample + "config.json"));
  Json without = expected;
  without.erase("quantization_config");
  std::vector<PlannedTensor> plan;
  const SafetensorsFile file = SafetensorsFile::open(sample + "model.safetensors");
  for (const NamedTensor& tensor : file.tensors()) {
    const bool is_int8 = tensor.view.dtype == DType::kI8;
    plan.push_back({tensor.name, is_int8 ? "W8A8_DYNAMIC" : "FLOAT", tensor.view.dtype, tensor.view.sizes});
  }
  EXPECT_EQ(Json::parse(add_quantization_config(without.dump(), plan, "config.json")), expected);
  EXPECT_EQ(Json::parse(remove_quantization_config(expected.dump(), "config.json")), without);
  EXPECT_EQ(remove_quantization_config(kConfig, "config.json"), kConfig);
}

TEST(CompressedTensorsWriter, NamesTheLayersOfSeveralSchemes) {
  const TempFolder folder;
  testing::CheckpointBuilder builder = compressed();
  for (const std::string layer : {"s", "t"}) {
    builder.i8(layer + ".weight", "W8A8", {3, 4}, {1}).f32(layer + ".weight_scale", "W8A8", {3, 1}, {1});
    builder.f32(layer + ".input_scale", "W8A8", {1}, {1});
  }
  builder.i8("t.input_zero_point", "W8A8", {1}, {-3});
  write_checkpoint(folder / "out", builder.tensors(), compressed_options());
  const Json groups = Json::parse(read_bytes(folder / "out/config.json"))["quantization_config"]["config_groups"];
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups["group_0"]["targets"], Json::array({"a"}));
  EXPECT_EQ(groups["group_1"]["targets"], Json::array({"s"}));
  EXPECT_EQ(groups["group_1"]["input_activations"]["symmetric"], true);
  EXPECT_EQ(groups["group_1"]["input_activations"]["dynamic"], false);
  EXPECT_EQ(groups["group_2"]["targets"], Json::array({"t"}));
  EXPECT_EQ(groups["group_2"]["input_activations"]["symmetric"], false);
}

TEST(CompressedTensorsWriter, WritesPartsWithAnIndex) {
  const TempFolder folder;
  CheckpointWriteOptions options = compressed_options();
  options.max_part_bytes = 30;
  write_checkpoint(folder / "out", compressed().tensors(), options);
  EXPECT_EQ(entries_of(folder / "out"), (Names{"model-00001-of-00004.safetensors", "model-00002-of-00004.safetensors",
                                               "model-00003-of-00004.safetensors", "model-00004-of-00004.safetensors",
                                               "model.safetensors.index.json", "config.json"}));
  const Json index = Json::parse(read_bytes(folder / "out/model.safetensors.index.json"));
  EXPECT_EQ(index["weight_map"]["norm.weight"], "model-00004-of-00004.safetensors");
  EXPECT_EQ(index["metadata"]["total_size"], 80);
}

TEST(CompressedTensorsWriter, RefusesWhatTheReaderWouldRefuse) {
  const TempFolder folder;
  testing::CheckpointBuilder builder = compressed();
  builder.f32("a.weight_scale", "W8A8_DYNAMIC", {3, 1}, {-1});
  expect_error(ErrorCode::kInvalidArgument, {folder / "out", "a.weight_scale"},
               [&] { write_checkpoint(folder / "out", builder.tensors(), compressed_options()); });
  EXPECT_TRUE(entries_of(folder.path()).empty());
}

TEST(CompressedTensorsWriter, NeedsAConfigAndReplacesOnlyItsLike) {
  const TempFolder folder;
  CheckpointWriteOptions options = compressed_options();
  const auto write = [&] { write_checkpoint(folder / "out", compressed().tensors(), options); };
  options.extra_files.clear();
  expect_error(ErrorCode::kInvalidArgument, {"config.json"}, write);
  options.extra_files = {{"config.json", "[1]"}};
  expect_error(ErrorCode::kCorrupt, {"config.json", "object"}, write);
  options = compressed_options();
  write();
  write();
  write_bytes(folder / "out/config.json", kConfig);
  expect_error(ErrorCode::kInvalidArgument, {folder / "out", "not overwritten"}, write);
  EXPECT_EQ(read_bytes(folder / "out/config.json"), kConfig);
}

}  // namespace
}  // namespace a8w8::checkpoint
