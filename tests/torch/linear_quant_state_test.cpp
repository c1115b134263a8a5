// The LibTorch modules: saved and loaded, cloned, moved.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/serialize.h>

#include <memory>
#include <sstream>

#include "filled_module.h"

namespace a8w8::torch {
namespace {

template <class Holder>
class ModuleState : public QuietTest<Holder> {};
using Modules = testing::Types<LinearQuant, LinearA8W8Quant>;
TYPED_TEST_SUITE(ModuleState, Modules);

template <class Value>
void copy_by_archive(const Value& from, Value& to) {
  std::stringstream archive;
  ::torch::save(from, archive);
  ::torch::load(to, archive);
}

void expect_same_parameters(const ::torch::nn::Module& a, const ::torch::nn::Module& b) {
  ASSERT_EQ(a.named_parameters().keys(), b.named_parameters().keys());
  for (const auto& p : a.named_parameters()) {
    const at::Tensor& other = b.named_parameters()[p.key()];
    EXPECT_EQ(p->scalar_type(), other.scalar_type()) << p.key();
    EXPECT_TRUE(at::equal(*p, other)) << p.key();
    EXPECT_FALSE(other.requires_grad()) << p.key();
  }
}

TYPED_TEST(ModuleState, ComesBackFromAnArchiveAsItWas) {
  TypeParam module = filled<TypeParam>(everything().output_dtype(at::kHalf)), fresh(module->options);
  module->offset.set_data(at::ones({1}));
  module->pertoken_scale.set_data(at::ones({5}));
  copy_by_archive(module, fresh);
  expect_same_parameters(*module, *fresh);
}

TYPED_TEST(ModuleState, KeepsBatchesAndPackedScalesInAnArchive) {
  TypeParam module = filled<TypeParam>(four_to_three().bias(false)), fresh(module->options);
  module->weight.set_data(int8({2, 3, 4}));
  module->scale.set_data(at::ones({1}, at::kLong) * 0x3F800000);  // 1.0f
  copy_by_archive(module, fresh);
  expect_same_parameters(*module, *fresh);
  const at::Tensor x = int8({2, 5, 4}), y = module(x);
  EXPECT_EQ(y.sizes(), at::IntArrayRef({2, 5, 3}));
  EXPECT_TRUE(at::equal(fresh(x), y));
}

at::Tensor in_fractal_nz(const at::Tensor& tensor) {
  using Signature = at::Tensor(const at::Tensor&, int64_t, std::optional<int64_t>, std::optional<int64_t>);
  const auto cast = c10::Dispatcher::singleton().findSchemaOrThrow("npu::npu_format_cast", "").typed<Signature>();
  return cast.call(tensor, 29, std::nullopt, std::nullopt);
}

TYPED_TEST(ModuleState, SavesTheValuesOfAWeightInFractalNz) {
  TypeParam module = filled<TypeParam>(four_to_three()), fresh(module->options);
  const at::Tensor x = int8({5, 4}), y = module(x);
  module->weight.set_data(in_fractal_nz(module->weight));
  EXPECT_TRUE(at::equal(module(x), y));
  const auto clone = std::dynamic_pointer_cast<typename TypeParam::Impl>(module->clone());
  EXPECT_EQ(clone->weight.storage().nbytes(), 16 * 32);  // still one block
  copy_by_archive(module, fresh);
  expect_same_parameters(*module, *fresh);
  EXPECT_TRUE(at::equal(fresh(x), y));
}

TYPED_TEST(ModuleState, RefusesAnArchiveWithOtherParameters) {
  TypeParam with = filled<TypeParam>(four_to_three()), without = filled<TypeParam>(four_to_three().bias(false));
  const std::string name = TypeParam::Impl::kName;
  EXPECT_PRED2(mentions, message_of<c10::Error>([&] { copy_by_archive(without, with); }),
               name + ": the archive has no bias, but the options of the module ask for one");
  EXPECT_PRED2(mentions, message_of<c10::Error>([&] { copy_by_archive(with, without); }),
               name + ": the archive has a bias, but the options of the module ask for none");
}

TYPED_TEST(ModuleState, IsSavedClonedAndPrintedAsPartOfAModel) {
  const LinearQuantOptions options = with_output(at::kBFloat16);
  ::torch::nn::Sequential model(filled<TypeParam>(options)), fresh((TypeParam(options)));
  copy_by_archive(model, fresh);
  expect_same_parameters(*model, *fresh);
  const at::Tensor x = int8({5, 4}), y = model->forward(x);
  EXPECT_TRUE(at::equal(fresh->forward(x), y));

  const auto clone = std::dynamic_pointer_cast<::torch::nn::SequentialImpl>(model->clone());
  model->template at<typename TypeParam::Impl>(0).weight.zero_();
  EXPECT_TRUE(at::equal(clone->forward(x), y));
  EXPECT_FALSE(at::equal(model->forward(x), y));
  std::ostringstream text;
  text << model;
  EXPECT_PRED2(mentions, text.str(), "(0): " + std::string(TypeParam::Impl::kName) + "()\n");
}

TYPED_TEST(ModuleState, LeavesIntegersAloneWhenCast) {
  TypeParam module = filled<TypeParam>(with_output(at::kBFloat16));
  const at::Tensor weight = module->weight.clone(), x = int8({5, 4}), y = module(x);
  ::torch::nn::Sequential model(module);
  model->to(at::kBFloat16);
  EXPECT_EQ(module->scale.scalar_type(), at::kBFloat16);
  EXPECT_EQ(module->bias.scalar_type(), at::kInt);
  EXPECT_EQ(module->weight.scalar_type(), at::kChar);
  EXPECT_TRUE(at::equal(module->weight, weight));
  EXPECT_TRUE(at::equal(module(x), y));  // bfloat16 holds these scales exactly
  model->to(at::kCPU, at::kFloat);
  EXPECT_EQ(module->scale.scalar_type(), at::kFloat);
  EXPECT_EQ(module->weight.scalar_type(), at::kChar);
}

// Meta stands for a device whose tensors cannot take the place of CPU tensors; a real NPU is another.
TYPED_TEST(ModuleState, MovesToAnotherDeviceAndRunsThere) {
  TypeParam module = filled<TypeParam>(with_output(at::kBFloat16).pertoken_scale(true));
  const auto copy_of = [](const TypeParam& original, std::optional<at::Device> device = std::nullopt) {
    return std::dynamic_pointer_cast<typename TypeParam::Impl>(original->clone(device));
  };
  const auto moved_copy = copy_of(module, at::kMeta);
  EXPECT_TRUE(module->weight.is_cpu());
  module->to(at::kMeta);
  for (const auto& impl : {moved_copy, module.ptr(), copy_of(module)}) {
    for (const auto& p : impl->named_parameters()) {
      EXPECT_TRUE(p->is_meta() && !p->requires_grad()) << p.key();
    }
    EXPECT_EQ(impl->weight.scalar_type(), at::kChar);
    EXPECT_TRUE(impl->weight.is_same(impl->named_parameters()["weight"]));
    const at::Tensor y = impl->forward(int8({3, 4}).to(at::kMeta));
    EXPECT_EQ(y.sizes(), at::IntArrayRef({3, 3}));
    EXPECT_TRUE(y.is_meta());
  }
}

}  // namespace
}  // namespace a8w8::torch
