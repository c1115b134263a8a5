// The LibTorch modules: parameters, checks, numbers.
#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/container/any.h>

#include <memory>
#include <sstream>

#include "filled_module.h"

namespace a8w8::torch {
namespace {

template <class Holder>
class ModuleBasics : public QuietTest<Holder> {};
using Modules = testing::Types<LinearQuant, LinearA8W8Quant>;
TYPED_TEST_SUITE(ModuleBasics, Modules);

// The int32 sums, bias included.
template <class Holder>
at::Tensor sums(const Holder& module, const at::Tensor& x) {
  const at::Tensor acc = at::matmul(x.to(at::kInt), module->weight.to(at::kInt).t());
  return module->bias.defined() ? acc + module->bias : acc;
}

TYPED_TEST(ModuleBasics, RegistersWhatTheOptionsAskFor) {
  const TypeParam module(everything().output_dtype(at::kHalf));
  std::ostringstream found;
  for (const auto& p : module->named_parameters())
    found << p.key() << p->sizes() << p->scalar_type() << p->requires_grad() << ' ';
  EXPECT_EQ(found.str(), "weight[3, 4]Float0 scale[3]Float0 offset[3]Float0 pertoken_scale[3]Float0 bias[3]Int0 ");
  EXPECT_EQ(module->options.output_dtype(), at::kHalf);

  const TypeParam bare(four_to_three().bias(false));
  EXPECT_EQ(bare->named_parameters().size(), 2);
  EXPECT_FALSE(bare->offset.defined() || bare->pertoken_scale.defined() || bare->bias.defined());
  EXPECT_FALSE(bare->options.output_dtype().has_value());
  EXPECT_TRUE(TypeParam(4, 3)->bias.defined());
}

TYPED_TEST(ModuleBasics, PrintsAsPythonDoes) {
  std::ostringstream text;
  text << TypeParam(4, 3);
  EXPECT_EQ(text.str(), std::string(TypeParam::Impl::kName) + "()");
}

TEST(LinearQuantModule, OnlyTheOldModuleWarns) {
  WarningRecorder warnings;
  const LinearQuant module(4, 3);
  EXPECT_TRUE(warnings.messages.empty());
  const LinearA8W8Quant old(4, 3);
  ASSERT_EQ(warnings.messages.size(), 1);
  EXPECT_PRED2(mentions, warnings.messages[0], "deprecated");
  EXPECT_PRED2(mentions, warnings.messages[0], "use LinearQuant");
  old->clone();
  EXPECT_EQ(warnings.messages.size(), 1);
}

TYPED_TEST(ModuleBasics, RequantizesWithPackedScaleAndOffset) {
  TypeParam module = filled<TypeParam>(four_to_three().offset(true));
  const at::Tensor x = int8({5, 4}), scale = module->scale.clone();
  const at::Tensor nine_bits = (sums(module, x) * scale).round().clamp(-256, 255);
  EXPECT_TRUE(at::equal(module(x), (nine_bits + module->offset).clamp(-128, 127).to(at::kChar)));
  EXPECT_TRUE(at::equal(module->scale, scale));
}

TYPED_TEST(ModuleBasics, DequantizesWithEveryKindOfScale) {
  const at::Tensor x = int8({3, 4});
  for (const at::ScalarType output : {at::kHalf, at::kBFloat16}) {
    TypeParam module = filled<TypeParam>(with_output(output));
    EXPECT_TRUE(at::equal(module(x), (sums(module, x) * module->scale).to(output)));
    TypeParam pertoken = filled<TypeParam>(with_output(output).pertoken_scale(true));
    const at::Tensor rows = pertoken->pertoken_scale.unsqueeze(1);
    EXPECT_TRUE(at::equal(pertoken(x), (sums(pertoken, x) * pertoken->scale * rows).to(output)));
  }
}

TEST(LinearQuantModule, GivesInt32Sums) {
  const at::Tensor x = int8({5, 4});
  LinearQuant module = filled<LinearQuant>(with_output(at::kInt));
  EXPECT_TRUE(at::equal(module(x), sums(module, x)));
}

TYPED_TEST(ModuleBasics, RefusesOperandsThatAreNotIntegersAlike) {
  TypeParam module = filled<TypeParam>(four_to_three());
  const auto refusal = [&](at::ScalarType x) {
    return message_of<c10::ValueError>([&] { module(at::zeros({2, 4}, x)); });
  };
  const std::string name = TypeParam::Impl::kName;
  EXPECT_PRED2(mentions, refusal(at::kFloat),
               name + ": x is float32 and weight is int8, allowed: both int8 or both int32");
  EXPECT_PRED2(mentions, refusal(at::kInt), name + ": x is int32 and weight is int8");
}

TEST(LinearQuantModule, OldModuleChecksInTorchNpusOrder) {
  const WarningRecorder quiet;
  LinearA8W8Quant module = filled<LinearA8W8Quant>(everything().output_dtype(at::kInt));
  const auto parameters = module->named_parameters();
  const auto names = {"scale", "offset", "bias", "pertoken_scale"};
  for (const char* name : names) parameters[name].set_data(at::ones({3}, at::kDouble));
  const auto refusal = [&] { return message_of<c10::ValueError>([&] { module(int8({3, 4})); }); };
  for (const char* name : names) {
    EXPECT_PRED2(mentions, refusal(), std::string("LinearA8W8Quant: ") + name + " is float64, allowed: ");
    parameters[name].set_data(at::ones({3}));
  }
  EXPECT_PRED2(mentions, refusal(), "output_dtype is int32, allowed: None, int8, float16, bfloat16");
}

TEST(LinearQuantModule, NewModuleLeavesDtypesToTheOp) {
  LinearQuant module = filled<LinearQuant>(with_output(at::kBFloat16));
  module->bias.set_data(at::ones({3}, at::kDouble));
  const auto call = [&] { module(int8({3, 4})); };
  EXPECT_PRED2(mentions, message_of<std::exception>(call), "npu_quant_matmul: bias is float64");
}

TYPED_TEST(ModuleBasics, WorksWhereLibTorchAsksForAnyModule) {
  TypeParam module = filled<TypeParam>(with_output(at::kBFloat16));
  ::torch::nn::AnyModule any(module);
  const at::Tensor x = int8({2, 4});
  EXPECT_TRUE(at::equal(any.forward(x), module(x)));
}

}  // namespace
}  // namespace a8w8::torch
