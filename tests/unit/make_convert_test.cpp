// From one format to the other: nothing but words changes, and what cannot be said is told.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "a8w8/make_checkpoint.h"
#include "checkpoint/scalars.h"
#include "support/checkpoint_builder.h"
#include "support/checkpoint_files.h"

namespace a8w8 {
namespace {

namespace fs = std::filesystem;
using checkpoint::element;
using testing::CheckpointBuilder;
using testing::entries_of;
using testing::expect_error;
using testing::read_bytes;
using testing::TempFolder;
using testing::write_bytes;
using Json = nlohmann::json;
using Names = std::set<std::string>;

const std::string kData = A8W8_TEST_DATA;
const std::string kStatic = kData + "/msmodelslim-v1-static-bf16";
const std::string kDynamic = kData + "/msmodelslim-v0-dyn-bf16";
const std::string kCompressed = kData + "/compressed-tensors-dyn-bf16";

constexpr CheckpointFormat kMs = CheckpointFormat::kMsModelSlim;
constexpr CheckpointFormat kCt = CheckpointFormat::kCompressedTensors;

ConvertCheckpointReport convert(const std::string& from, const std::string& to, CheckpointFormat format) {
  ConvertCheckpointOptions options;
  options.format = format;
  return convert_checkpoint(from, to, options);
}

std::vector<double> numbers(const std::optional<ConstTensorView>& view) {
  std::vector<double> result;
  for (int64_t i = 0; view && i < view->numel(); ++i)
    result.push_back(view->dtype == DType::kI64 ? checkpoint::packed_scale(*view, i) : element(*view, i));
  return result;
}

void expect_same_weights(const Checkpoint& a, const Checkpoint& b) {
  ASSERT_EQ(a.quantized_layers().size(), b.quantized_layers().size());
  for (const std::string& name : a.quantized_layers()) {
    SCOPED_TRACE(name);
    const LayerParameters x = a.layer(name), y = b.layer(name);
    ASSERT_EQ(x.weight.sizes.str(), y.weight.sizes.str());
    EXPECT_EQ(std::memcmp(x.weight.data, y.weight.data, static_cast<size_t>(x.weight.numel())), 0);
    EXPECT_EQ(x.scheme, y.scheme);
  }
}

TEST(ConvertCheckpoint, DynamicLayersThereAndBackAgain) {
  const TempFolder folder;
  for (const auto& [sample, format] : {std::pair{kDynamic, kCt}, std::pair{kCompressed, kMs}}) {
    SCOPED_TRACE(sample);
    const std::string there = folder / format_name(format), back = there + "-back";
    const auto report = convert(sample, there, format);
    EXPECT_TRUE(report.losses.empty());
    EXPECT_EQ(report.dynamic_layers, 14);
    EXPECT_EQ(report.static_layers, 0);
    convert(there, back, format == kCt ? kMs : kCt);
    const Checkpoint source = Checkpoint::open(sample);
    for (const std::string& folder_of_same : {there, back}) {
      const Checkpoint result = Checkpoint::open(folder_of_same);
      expect_same_weights(source, result);
      for (const std::string& name : source.quantized_layers()) {
        EXPECT_EQ(numbers(source.layer(name).weight_scale), numbers(result.layer(name).weight_scale)) << name;
        EXPECT_EQ(numbers(source.layer(name).bias), numbers(result.layer(name).bias)) << name;
      }
      EXPECT_EQ(numbers(result.tensor("model.norm.weight")), numbers(source.tensor("model.norm.weight")));
    }
  }
  // The dtypes of each format's own tool.
  const Checkpoint ms = Checkpoint::open(folder / "msmodelslim"), ct = Checkpoint::open(folder / "compressed-tensors");
  const std::string layer = "model.layers.0.self_attn.q_proj";
  EXPECT_EQ(ms.tensor(layer + ".weight_scale").dtype, DType::kF32);
  EXPECT_EQ(ct.tensor(layer + ".weight_scale").dtype, DType::kBF16);
  EXPECT_EQ(ct.tensor(layer + ".bias").dtype, DType::kBF16);
  EXPECT_FALSE(ct.contains(layer + ".weight_offset"));
  EXPECT_EQ(Json::parse(read_bytes(folder / "compressed-tensors/config.json")),
            Json::parse(read_bytes(kCompressed + "/config.json")));
  EXPECT_FALSE(Json::parse(read_bytes(folder / "msmodelslim/config.json")).contains("quantization_config"));
}

// What a layer adds to the scaled sums, in steps of deq_scale.
std::vector<double> added_steps(const LayerParameters& layer) {
  std::vector<double> steps = numbers(layer.quant_bias);
  steps.resize(static_cast<size_t>(layer.weight.sizes[0]));
  const std::vector<double> scales = numbers(layer.deq_scale), biases = numbers(layer.bias);
  for (size_t i = 0; layer.adds_bias && layer.bias && i < steps.size(); ++i) steps[i] += biases[i] / scales[i];
  return steps;
}

TEST(ConvertCheckpoint, StaticLayersComputeTheSame) {
  const TempFolder folder;
  const auto report = convert(kStatic, folder / "ct", kCt);
  EXPECT_EQ(report.static_layers, 14);
  ASSERT_EQ(report.losses.size(), 1u);  // some scales are one float32 step off
  EXPECT_NE(report.losses[0].find("the largest relative difference is 9"), std::string::npos) << report.losses[0];
  EXPECT_EQ(report.notes.size(), 2u);
  const auto back_report = convert(folder / "ct", folder / "ms", kMs);
  EXPECT_TRUE(back_report.losses.empty());

  const Checkpoint source = Checkpoint::open(kStatic), ct = Checkpoint::open(folder / "ct");
  const Checkpoint ms = Checkpoint::open(folder / "ms");
  expect_same_weights(source, ct);
  for (const std::string& name : source.quantized_layers()) {
    SCOPED_TRACE(name);
    const LayerParameters a = source.layer(name), b = ct.layer(name), c = ms.layer(name);
    EXPECT_EQ(numbers(a.input_scale), numbers(b.input_scale));
    EXPECT_EQ(numbers(a.input_offset), numbers(b.input_offset));
    const std::vector<double> exact = numbers(a.deq_scale), scales = numbers(b.deq_scale);
    for (size_t i = 0; i < exact.size(); ++i) EXPECT_NEAR(scales[i], exact[i], 0x1p-23 * exact[i]);
    EXPECT_EQ(b.bias.has_value(), a.bias.has_value());
    const std::vector<double> expected = added_steps(a), got = added_steps(b);
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-3 + 2e-7 * std::abs(expected[i]));
    EXPECT_EQ(numbers(a.quant_bias), numbers(c.quant_bias));  // what was made of whole steps becomes whole steps
    EXPECT_EQ(numbers(a.deq_scale), numbers(c.deq_scale));
  }
}

TEST(ConvertCheckpoint, TellsHowFarABiasIsRounded) {
  const TempFolder folder;
  CheckpointWriteOptions options;
  options.format = kCt;
  options.extra_files = {{"config.json", "{\"dtype\": \"bfloat16\"}"}};
  CheckpointBuilder builder;
  builder.i8("a.weight", "W8A8", {3, 4}, {1}).f32("a.weight_scale", "W8A8", {3, 1}, {0.5f});
  builder.f32("a.input_scale", "W8A8", {1}, {0.25f}).i8("a.input_zero_point", "W8A8", {1}, {-3});
  builder.f32("a.bias", "FLOAT", {3}, {1.0f, 0.03125f, -0.1875f});  // 8, 0.25, -1.5 steps of 1/8
  write_checkpoint(folder / "in", builder.tensors(), options);
  const auto report = convert(folder / "in", folder / "ms", kMs);
  ASSERT_EQ(report.losses.size(), 1u);
  EXPECT_NE(report.losses[0].find("2 outputs"), std::string::npos) << report.losses[0];
  EXPECT_NE(report.losses[0].find("0.5 steps"), std::string::npos) << report.losses[0];
  const Checkpoint ms = Checkpoint::open(folder / "ms");
  EXPECT_EQ(numbers(ms.layer("a").quant_bias), (std::vector<double>{8 + 12, 12, -2 + 12}));
}

// A folder of msModelSlim's with config.json of a model of this dtype.
void write_ms(const std::string& folder, const CheckpointBuilder& builder, const std::string& dtype) {
  CheckpointWriteOptions options;
  options.extra_files = {{"config.json", "{\"dtype\": \"" + dtype + "\"}"}};
  write_checkpoint(folder, builder.tensors(), options);
}

TEST(ConvertCheckpoint, ABiasInsideQuantBiasIsNotLost) {
  const TempFolder folder;
  write_ms(folder / "in", CheckpointBuilder().static_layer("a"), "bfloat16");  // quant_bias {7, -8, 9}, offset -43
  convert(folder / "in", folder / "ct", kCt);
  const Checkpoint ct = Checkpoint::open(folder / "ct");
  const LayerParameters a = Checkpoint::open(folder / "in").layer("a"), b = ct.layer("a");
  ASSERT_TRUE(b.bias.has_value());
  const std::vector<double> expected = added_steps(a), got = added_steps(b);
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-3);
}

TEST(ConvertCheckpoint, Float16ModelsGetDeqScaleAsBits) {
  const TempFolder folder;
  write_ms(folder / "in", CheckpointBuilder().static_layer("a").dynamic_layer("b"), "float16");
  const auto report = convert(folder / "in", folder / "ct", kCt);
  EXPECT_EQ(report.static_layers + report.dynamic_layers, 2);
  EXPECT_EQ(Checkpoint::open(folder / "ct").layer("a").scheme, LayerScheme::kStatic);
  EXPECT_EQ(Checkpoint::open(folder / "ct").layer("b").scheme, LayerScheme::kDynamic);
  convert(folder / "ct", folder / "ms", kMs);
  const Checkpoint ms = Checkpoint::open(folder / "ms");
  EXPECT_EQ(ms.tensor("a.deq_scale").dtype, DType::kI64);
  const Checkpoint in = Checkpoint::open(folder / "in");
  const std::vector<double> expected = numbers(in.layer("a").deq_scale), got = numbers(ms.layer("a").deq_scale);
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(got[i], expected[i], 0x1p-23 * expected[i]);
}

TEST(ConvertCheckpoint, SaysWhatMixLoses) {
  const TempFolder folder;
  CheckpointBuilder builder;
  builder.static_layer("a").dynamic_layer("a");
  for (const CheckpointTensor& tensor : std::vector(builder.tensors()))
    if (tensor.name.starts_with("a.")) builder.retype(tensor.name, "W8A8_MIX");
  write_ms(folder / "in", builder, "bfloat16");
  const auto report = convert(folder / "in", folder / "ct", kCt);
  EXPECT_EQ(report.dynamic_layers, 1);
  ASSERT_EQ(report.losses.size(), 1u);
  EXPECT_NE(report.losses[0].find("W8A8_MIX"), std::string::npos);
}

TEST(ConvertCheckpoint, UnpacksInt4) {
  const TempFolder folder;
  CheckpointBuilder builder;
  builder.i8("a.weight", "W4A8_DYNAMIC", {1, 4}, {113, -2, 3, 88});  // rows 1, -2, 3, -8 and 7, -1, 0, 5
  builder.f32("a.weight_scale", "W4A8_DYNAMIC", {2, 1}, {0.5f, 0.25f});
  builder.f32("a.weight_offset", "W4A8_DYNAMIC", {2, 1}, {0});
  write_ms(folder / "in", builder, "bfloat16");
  const auto report = convert(folder / "in", folder / "ct", kCt);
  ASSERT_EQ(report.losses.size(), 1u);
  EXPECT_NE(report.losses[0].find("W4A8"), std::string::npos);
  const int8_t expected[] = {1, -2, 3, -8, 7, -1, 0, 5};
  EXPECT_EQ(std::memcmp(Checkpoint::open(folder / "ct").tensor("a.weight").data, expected, 8), 0);
}

TEST(ConvertCheckpoint, RefusesWhatItCannotConvert) {
  const TempFolder folder;
  expect_error(ErrorCode::kUnsupported, {"float-bf16", "float model"},
               [&] { convert(kData + "/float-bf16", folder / "out", kCt); });
  expect_error(ErrorCode::kInvalidArgument, {"format compressed-tensors already"},
               [&] { convert(kCompressed, folder / "out", kCt); });
  write_ms(folder / "in", CheckpointBuilder().dynamic_layer("a"), "bfloat16");
  expect_error(ErrorCode::kInvalidArgument, {"both"}, [&] { convert(folder / "in", folder / "x/../in/", kCt); });
  fs::remove(folder / "in/config.json");
  expect_error(ErrorCode::kNotFound, {"config.json"}, [&] { convert(folder / "in", folder / "out", kCt); });
  EXPECT_EQ(entries_of(folder.path()), Names{"in"});
}

}  // namespace
}  // namespace a8w8
