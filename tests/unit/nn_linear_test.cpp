// QuantizedLinear over the weights of the sample checkpoints, where they lie in the mapped files.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "a8w8/checkpoint.h"
#include "a8w8/context.h"
#include "a8w8/format.h"
#include "a8w8/linear.h"
#include "a8w8/linear_ops.h"
#include "support/refusal.h"
#include "support/tensors.h"

namespace a8w8 {
namespace {

using testing::refusal;
using testing::Rng;

const std::string kData = A8W8_TEST_DATA;
const std::string kLayer = "model.layers.1.mlp.down_proj";

std::vector<float> random_input(int64_t count) {
  Rng rng(1);
  std::vector<float> x(static_cast<size_t>(count));
  for (float& v : x) v = std::uniform_real_distribution<float>(-2, 2)(rng);
  return x;
}

TEST(QuantizedLinear, DynamicLayerOfACheckpointIsLinearDynamicOnItsTensors) {
  const Checkpoint checkpoint = Checkpoint::open(kData + "/msmodelslim-v0-dyn-bf16");
  const QuantizedLinear layer = QuantizedLinear::from_checkpoint(checkpoint, kLayer);
  EXPECT_EQ(layer.weight().data, checkpoint.tensor(kLayer + ".weight").data);  // in place
  const int64_t k = layer.in_features(), n = layer.out_features();
  EXPECT_EQ(std::pair(k, n), std::pair(int64_t{256}, int64_t{128}));

  const std::vector<float> x = random_input(3 * k);
  const ConstTensorView input(x.data(), DType::kF32, {3, k});
  EXPECT_EQ(layer.infer(input).sizes, Dims({3, n}));
  std::vector<float> y(static_cast<size_t>(3 * n)), expected(y.size());
  ExecutionContext ctx(2);
  layer.forward(input, TensorView(y.data(), DType::kF32, {3, n}), ctx);
  linear_dynamic({input, layer.weight(), checkpoint.tensor(kLayer + ".weight_scale")},
                 TensorView(expected.data(), DType::kF32, {3, n}), ctx);
  EXPECT_EQ(y, expected);
}

TEST(QuantizedLinear, StaticLayerOfACheckpointIsLinearStaticOnItsTensors) {
  const Checkpoint checkpoint = Checkpoint::open(kData + "/msmodelslim-v1-static-bf16");
  const QuantizedLinear layer = QuantizedLinear::from_checkpoint(checkpoint, kLayer);
  const int64_t k = layer.in_features(), n = layer.out_features();
  const std::vector<float> x = random_input(k);
  const ConstTensorView input(x.data(), DType::kF32, {k});
  std::vector<float> y(static_cast<size_t>(n)), expected(y.size());
  ExecutionContext ctx(1);
  const auto tensor = [&](const char* name) { return checkpoint.tensor(kLayer + name); };
  layer.forward(input, TensorView(y.data(), DType::kF32, {n}), ctx);
  linear_static({input, tensor(".input_scale"), tensor(".input_offset"), layer.weight(), tensor(".deq_scale"),
                 tensor(".quant_bias")},
                TensorView(expected.data(), DType::kF32, {n}), ctx);
  EXPECT_EQ(y, expected);
}

TEST(QuantizedLinear, RefusesFloatAndMissingLayers) {
  const Checkpoint checkpoint = Checkpoint::open(kData + "/msmodelslim-v0-dyn-bf16");
  EXPECT_NE(refusal([&] {
              QuantizedLinear::from_checkpoint(checkpoint, "lm_head");
            }).find("layer \"lm_head\" is of type FLOAT; must be a quantized one, such as \"model.layers."),
            std::string::npos);
  EXPECT_NE(refusal([&] {
              QuantizedLinear::from_checkpoint(checkpoint, "no.such.layer");
            }).find("no layer \"no.such.layer\""),
            std::string::npos);
}

// LinearQuant is npu_quant_matmul on the transposed weight: int8, words of int4, blocks.
TEST(LinearQuant, IsTheOpOnTheTransposedWeight) {
  Rng rng(2);
  constexpr int64_t m = 3, n = 5, k = 64;
  testing::OwnedTensor x(DType::kI8, {m, k}), weight(DType::kI8, {n, k}), scale(DType::kF32, {n});
  testing::fill_int8(x, rng);
  testing::fill_int8(weight, rng);
  testing::fill_uniform(scale, rng, 0.0f, 0.01f);
  ExecutionContext ctx(1);
  const auto run = [&](const LinearQuant& layer, const ConstTensorView& input) {
    EXPECT_EQ(std::pair(layer.in_features(), layer.out_features()), std::pair(k, n));
    const TensorDesc desc = layer.infer(input);
    std::vector<std::byte> out(static_cast<size_t>(desc.bytes()));
    layer.forward(input, TensorView(out.data(), desc.dtype, desc.sizes), ctx);
    return out;
  };
  const auto op = [&](const ConstTensorView& x1, const ConstTensorView& w) {
    std::vector<std::byte> out(m * n * 2);
    quant_matmul({.x1 = x1, .x2 = w.transposed(), .scale = scale.view(), .output_dtype = DType::kF16},
                 TensorView(out.data(), DType::kF16, {m, n}), ctx);
    return out;
  };
  LinearQuant layer{.weight = weight.view(), .scale = scale.view(), .output_dtype = DType::kF16};
  EXPECT_EQ(run(layer, x.view()), op(x.view(), weight.view()));

  testing::OwnedTensor blocks(DType::kI8, fractal_nz_desc(weight.view()).sizes);
  to_fractal_nz(weight.view(), blocks.view());
  layer.weight = fractal_nz_view(blocks.data<int8_t>(), DType::kI8, {n, k});
  EXPECT_EQ(run(layer, x.view()), op(x.view(), weight.view()));

  testing::OwnedTensor x4(DType::kI32, {m, k / 8}), weight4(DType::kI32, {n, k / 8});
  pack_int4(x.view(), x4.view());
  pack_int4(weight.view(), weight4.view());
  layer.weight = weight4.view();
  EXPECT_EQ(run(layer, x4.view()), op(x4.view(), weight4.view()));
}

TEST(LinearA8W8Quant, RefusesInt32Output) {
  testing::OwnedTensor weight(DType::kI8, {5, 64}), scale(DType::kF32, {5}), x(DType::kI8, {3, 64});
  LinearQuant allowed{.weight = weight.view(), .scale = scale.view(), .output_dtype = DType::kI32};
  EXPECT_EQ(allowed.infer(x.view()).dtype, DType::kI32);
  EXPECT_EQ(refusal([&] { LinearA8W8Quant{allowed}.infer(x.view()); }),
            "LinearA8W8Quant: output_dtype is int32, but must be int8, float16 or bfloat16; LinearQuant allows int32");
}

}  // namespace
}  // namespace a8w8
