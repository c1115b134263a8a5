// QuantizedLinear over the weights of the sample checkpoints, where they lie in the mapped files.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "a8w8/checkpoint.h"
#include "a8w8/context.h"
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
            }).find("layer \"lm_head\" is of type FLOAT, but a QuantizedLinear is W8A8 or W8A8_DYNAMIC"),
            std::string::npos);
  EXPECT_NE(
      refusal([&] { QuantizedLinear::from_checkpoint(checkpoint, "no.such.layer"); }).find("no.such.layer.weight"),
      std::string::npos);
}

}  // namespace
}  // namespace a8w8
