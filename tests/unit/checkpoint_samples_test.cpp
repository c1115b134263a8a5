// Checkpoints made by the real tool (tests/data): they open, and hold what the tool put there.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "a8w8/checkpoint.h"

namespace a8w8 {
namespace {

const std::string kStatic = A8W8_TEST_DATA "/msmodelslim-v1-static-bf16";
const std::string kDynamic = A8W8_TEST_DATA "/msmodelslim-v0-dyn-bf16";

struct Linear {
  const char* name;
  int64_t n, k;
  bool has_bias;
};

constexpr Linear kLinears[] = {{"self_attn.q_proj", 128, 128, true}, {"self_attn.k_proj", 64, 128, true},
                               {"self_attn.v_proj", 64, 128, true},  {"self_attn.o_proj", 128, 128, false},
                               {"mlp.gate_proj", 256, 128, false},   {"mlp.up_proj", 256, 128, false},
                               {"mlp.down_proj", 128, 256, false}};

// Calls f(layer, linear) for the 14 linears of the sample model.
template <class F>
void for_each_linear(F f) {
  for (int i = 0; i < 2; ++i) {
    for (const Linear& linear : kLinears) f("model.layers." + std::to_string(i) + "." + linear.name, linear);
  }
}

void expect_tensor(const Checkpoint& checkpoint, const std::string& name, DType dtype, const Dims& sizes) {
  SCOPED_TRACE(name);
  ASSERT_TRUE(checkpoint.contains(name));
  const ConstTensorView view = checkpoint.tensor(name);
  EXPECT_STREQ(dtype_name(view.dtype), dtype_name(dtype));
  EXPECT_EQ(view.sizes.str(), sizes.str());
  EXPECT_TRUE(view.is_contiguous());
}

std::vector<std::string> sorted_linears() {
  std::vector<std::string> names;
  for_each_linear([&names](const std::string& layer, const Linear&) { names.push_back(layer); });
  std::sort(names.begin(), names.end());
  return names;
}

TEST(CheckpointSample, StaticOfToolV1) {
  const Checkpoint checkpoint = Checkpoint::open(kStatic);
  EXPECT_EQ(checkpoint.folder(), kStatic);
  EXPECT_EQ(checkpoint.tensors().size(), 83u);
  std::vector<std::string> layers = checkpoint.quantized_layers();
  std::sort(layers.begin(), layers.end());
  EXPECT_EQ(layers, sorted_linears());
  for_each_linear([&checkpoint](const std::string& layer, const Linear& linear) {
    EXPECT_EQ(checkpoint.quant_type(layer), "W8A8");
    expect_tensor(checkpoint, layer + ".weight", DType::kI8, {linear.n, linear.k});
    expect_tensor(checkpoint, layer + ".deq_scale", DType::kF32, {linear.n});
    expect_tensor(checkpoint, layer + ".quant_bias", DType::kI32, {linear.n});
    expect_tensor(checkpoint, layer + ".input_scale", DType::kF32, {1});
    expect_tensor(checkpoint, layer + ".input_offset", DType::kF32, {1});
    EXPECT_EQ(checkpoint.contains(layer + ".bias"), linear.has_bias);
    if (linear.has_bias) expect_tensor(checkpoint, layer + ".bias", DType::kF32, {linear.n});
  });
  EXPECT_EQ(checkpoint.quant_type("lm_head"), "FLOAT");
  expect_tensor(checkpoint, "lm_head.weight", DType::kBF16, {320, 128});
}

TEST(CheckpointSample, DynamicOfToolV0) {
  const Checkpoint checkpoint = Checkpoint::open(kDynamic);
  EXPECT_EQ(checkpoint.tensors().size(), 55u);
  std::vector<std::string> layers = checkpoint.quantized_layers();
  std::sort(layers.begin(), layers.end());
  EXPECT_EQ(layers, sorted_linears());
  for_each_linear([&checkpoint](const std::string& layer, const Linear& linear) {
    EXPECT_EQ(checkpoint.quant_type(layer), "W8A8_DYNAMIC");
    expect_tensor(checkpoint, layer + ".weight", DType::kI8, {linear.n, linear.k});
    expect_tensor(checkpoint, layer + ".weight_scale", DType::kBF16, {linear.n, 1});
    expect_tensor(checkpoint, layer + ".weight_offset", DType::kBF16, {linear.n, 1});
    EXPECT_EQ(checkpoint.contains(layer + ".bias"), linear.has_bias);
    if (linear.has_bias) expect_tensor(checkpoint, layer + ".bias", DType::kBF16, {linear.n});
  });
  EXPECT_EQ(checkpoint.quant_type("model.embed_tokens"), "FLOAT");
}

}  // namespace
}  // namespace a8w8
