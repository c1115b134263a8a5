// One small layer with numbers worked out by hand, through every format that can hold it: what the reader makes of the
// files, and what the layer computes.
#include <gtest/gtest.h>

#include <bit>
#include <string>
#include <vector>

#include "a8w8/checkpoint.h"
#include "a8w8/context.h"
#include "a8w8/half.h"
#include "a8w8/linear.h"
#include "support/checkpoint_folders.h"

namespace a8w8 {
namespace {

using namespace testing;  // folders and builders

// w = [[0.50, -1.00, 0.25, 0.10], [-0.30, 0.60, 0.90, -1.27]], rows quantized to 127 and their scales.
const std::vector<int8_t> kWeight = {64, -127, 32, 13, -30, 60, 90, -127};
const std::vector<float> kWeightScale = {0.007874016f, 0.01f}, kBias = {0.1f, -0.2f};
const std::vector<float> kDeqScale = {9.263549e-05f, 1.1764707e-04f};
const std::vector<float> kX = {1.0f, -0.5f, 2.0f, 0.3f, 0.2f, 0.4f, -1.0f, 1.5f};
constexpr float kInputScale = 0.011764707f;

template <class T>
std::vector<T> values(const ConstTensorView& view) {
  const T* data = static_cast<const T*>(view.data);
  return {data, data + view.numel()};
}

std::vector<float> run(const Checkpoint& checkpoint, const LayerOptions& options = {}) {
  const QuantizedLinear layer = QuantizedLinear::from_checkpoint(checkpoint, "a", options);
  std::vector<float> y(4);
  ExecutionContext ctx(1);
  layer.forward({kX.data(), DType::kF32, {2, 4}}, {y.data(), DType::kF32, {2, 2}}, ctx);
  return y;
}

void expect_near(const std::vector<float>& found, const std::vector<float>& expected) {
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found[i], expected[i], 5e-7f) << i;
}

CheckpointBuilder static_layer(const std::string& type) {
  CheckpointBuilder builder;
  builder.i8("a.weight", type, {2, 4}, kWeight).f32("a.deq_scale", type, {2}, kDeqScale);
  builder.set<int32_t>("a.quant_bias", type, DType::kI32, {2}, {305, -2001}).f32("a.bias", "FLOAT", {2}, kBias);
  return builder.f32("a.input_scale", type, {1}, {kInputScale}).f32("a.input_offset", type, {1}, {-43});
}

const std::vector<float> kStaticY = {1.6438168f, 0.6229413f, -0.2982863f, -2.8175297f};
const std::vector<float> kDynamicY = {1.6464071f, 0.6152756f, -0.2998078f, -2.8278346f};

TEST(WorkedExample, StaticWithFloat32AndInt64Scales) {
  const TempFolder folder;
  write_msmodelslim(folder, static_layer("W8A8"));
  expect_near(run(Checkpoint::open(folder.path())), kStaticY);
  CheckpointBuilder builder = static_layer("W8A8");
  for (const int64_t flags : {int64_t{0}, int64_t{1} << 46}) {
    builder.set<int64_t>("a.deq_scale", "W8A8", DType::kI64, {2}, {0x38c2454d | flags, 955693386 | flags});
    write_msmodelslim(folder, builder);
    const Checkpoint checkpoint = Checkpoint::open(folder.path());
    EXPECT_EQ(checkpoint.layer("a").deq_scale->dtype, DType::kI64);
    expect_near(run(checkpoint), kStaticY);
  }
}

TEST(WorkedExample, TheBiasInsideQuantBiasIsNotAddedAgain) {
  const TempFolder folder;
  write_msmodelslim(folder, static_layer("W8A8"));
  const LayerParameters layer = Checkpoint::open(folder.path()).layer("a");
  EXPECT_EQ(layer.scheme, LayerScheme::kStatic);
  EXPECT_FALSE(layer.adds_bias);
  EXPECT_EQ(values<float>(*layer.bias), kBias);
  EXPECT_EQ(values<int32_t>(*layer.quant_bias), (std::vector<int32_t>{305, -2001}));
  EXPECT_EQ(layer.input_offset->sizes, Dims({1}));
}

TEST(WorkedExample, DynamicAndBothSidesOfMix) {
  const TempFolder folder;
  CheckpointBuilder builder;
  builder.i8("a.weight", "W8A8_DYNAMIC", {2, 4}, kWeight).f32("a.weight_scale", "W8A8_DYNAMIC", {2, 1}, kWeightScale);
  builder.f32("a.weight_offset", "W8A8_DYNAMIC", {2, 1}, {0}).f32("a.bias", "FLOAT", {2}, kBias);
  write_msmodelslim(folder, builder);
  expect_near(run(Checkpoint::open(folder.path())), kDynamicY);

  builder = static_layer("W8A8_MIX");
  builder.f32("a.weight_scale", "W8A8_MIX", {2, 1}, kWeightScale).f32("a.weight_offset", "W8A8_MIX", {2, 1}, {0});
  write_msmodelslim(folder, builder);
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  EXPECT_EQ(checkpoint.layer("a").scheme, LayerScheme::kDynamic);
  EXPECT_EQ(checkpoint.layer("a").quant_type, "W8A8_MIX");
  expect_near(run(checkpoint), kDynamicY);
  expect_near(run(checkpoint, {.mix = LayerScheme::kStatic}), kStaticY);
}

TEST(WorkedExample, Int4RowsAreUnpackedFromNibbles) {
  const TempFolder folder;
  CheckpointBuilder builder;
  builder.i8("a.weight", "W4A8_DYNAMIC", {1, 4}, {113, -2, 3, 88});
  builder.f32("a.weight_scale", "W4A8_DYNAMIC", {2, 1}, {0.5f, 0.25f});
  builder.f32("a.scale_bias", "W4A8_DYNAMIC", {2, 1}, {8 * -6 * 0.5f, 8 * 11 * 0.25f});
  write_msmodelslim(folder, builder);
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  const std::vector<int8_t> rows = {1, -2, 3, -8, 7, -1, 0, 5};
  EXPECT_EQ(checkpoint.layer("a").weight.sizes, Dims({2, 4}));
  EXPECT_EQ(values<int8_t>(checkpoint.layer("a").weight), rows);
  const std::vector<float> packed = run(checkpoint);

  builder.i8("a.weight", "W4A8_DYNAMIC", {2, 4}, rows);  // as other versions of the tool write it
  write_msmodelslim(folder, builder);
  EXPECT_EQ(run(Checkpoint::open(folder.path())), packed);
}

TEST(WorkedExample, CompressedTensorsStaticAndAsymmetric) {
  const TempFolder folder;
  CheckpointBuilder builder;
  builder.i8("a.weight", "", {2, 4}, kWeight).f32("a.weight_scale", "", {2, 1}, {0.007843138f, 0.009960785f});
  builder.f32("a.bias", "", {2}, kBias).f32("a.input_scale", "", {1}, {0.015686275f});
  write_compressed(folder, builder, one_group(kInt8Channel, kStaticTensor));
  Checkpoint checkpoint = Checkpoint::open(folder.path());
  expect_near(run(checkpoint), {1.6343024f, 0.6088939f, -0.2866821f, -2.8315225f});
  EXPECT_TRUE(checkpoint.layer("a").adds_bias);
  EXPECT_FALSE(checkpoint.layer("a").quant_bias.has_value());
  EXPECT_EQ(values<float>(*checkpoint.layer("a").deq_scale),
            (std::vector<float>{0.015686275f * 0.007843138f, 0.015686275f * 0.009960785f}));

  builder.f32("a.input_scale", "", {}, {kInputScale}).f32("a.weight_scale", "", {2}, kWeightScale);
  builder.i8("a.input_zero_point", "", {1}, {-43});
  write_compressed(folder, builder, one_group(kInt8Channel, kStaticAsymmetric));
  checkpoint = Checkpoint::open(folder.path());
  const LayerParameters layer = checkpoint.layer("a");
  EXPECT_EQ(layer.quant_type, "int8 static asymmetric");
  EXPECT_EQ(values<int32_t>(*layer.quant_bias), (std::vector<int32_t>{43 * -18, 43 * -7}));
  EXPECT_EQ(values<int8_t>(*layer.input_offset), std::vector<int8_t>{-43});
  const std::vector<float> scale = values<float>(*layer.deq_scale);
  const int sums[2][2] = {{17440 - 774, 7296 - 301}, {-3525 - 774, -21948 - 301}};
  std::vector<float> expected;
  for (const auto& row : sums) {
    for (int n = 0; n < 2; ++n) expected.push_back(static_cast<float>(row[n]) * scale[n] + kBias[n]);
  }
  EXPECT_EQ(run(checkpoint), expected);
}

TEST(WorkedExample, VllmAscendRoundsProductsOfScalesToTheModelsDtype) {
  const TempFolder folder;
  CheckpointBuilder builder;
  builder.i8("a.weight", "", {2, 4}, kWeight).f32("a.input_scale", "", {1}, {0.0123456f});
  builder.f32("a.weight_scale", "", {}, {0.0076543f});  // one for all rows
  write_compressed(folder, builder, one_group(kInt8Channel, kStaticTensor));
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  const auto deq_scale = [&](const LayerOptions& options) {
    return values<float>(*checkpoint.layer("a", options).deq_scale);
  };
  const auto bf16 = [](float x) { return bfloat16_to_float(float_to_bfloat16(x)); };
  const auto f16 = [](float x) { return half_to_float(float_to_half(x)); };
  EXPECT_EQ(deq_scale({}), std::vector<float>(2, 0.0123456f * 0.0076543f));
  EXPECT_EQ(deq_scale({.parity = Parity::kVllmAscend}),
            std::vector<float>(2, bf16(bf16(0.0123456f) * bf16(0.0076543f))));
  EXPECT_EQ(deq_scale({.parity = Parity::kVllmAscend, .model_dtype = DType::kF16}),
            std::vector<float>(2, f16(f16(0.0123456f) * f16(0.0076543f))));
}

TEST(WorkedExample, ALayerOutlivesItsCheckpoint) {
  const TempFolder folder;
  write_msmodelslim(folder, static_layer("W8A8"));
  const QuantizedLinear layer = [&] {
    return QuantizedLinear::from_checkpoint(Checkpoint::open(folder.path()), "a");
  }();
  std::vector<float> y(4);
  ExecutionContext ctx(1);
  layer.forward({kX.data(), DType::kF32, {2, 4}}, {y.data(), DType::kF32, {2, 2}}, ctx);
  expect_near(y, kStaticY);
}

}  // namespace
}  // namespace a8w8
