// torch_npu's quantized linear layers as LibTorch modules. CMake: target_link_libraries(app PRIVATE a8w8::torch).
//
//   a8w8::torch::LinearQuant fc(a8w8::torch::LinearQuantOptions(128, 64).output_dtype(::torch::kBFloat16));
//   fc->weight.set_data(weight);  // int8 (64, 128)
//   fc->scale.set_data(scale);    // float32 (64,)
//   fc->bias.set_data(bias);      // int32 (64,)
//   ::torch::Tensor y = fc(x);    // int8 (..., m, 128) -> bfloat16 (..., m, 64)
//   ::torch::save(fc, "fc.pt");
//
// forward() calls the npu:: ops through PyTorch's dispatcher: the tensors' device decides whose kernels run.
// With `using namespace a8w8`, the name `torch` is ambiguous: write ::torch for PyTorch's.
#pragma once

#include <torch/arg.h>
#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>

#define A8W8_TORCH_API __attribute__((visibility("default")))

namespace a8w8::torch {

struct LinearQuantOptions {
  LinearQuantOptions(int64_t in_features, int64_t out_features)
      : in_features_(in_features), out_features_(out_features) {}

  TORCH_ARG(int64_t, in_features);
  TORCH_ARG(int64_t, out_features);
  // Which of the optional parameters there are.
  TORCH_ARG(bool, bias) = true;
  TORCH_ARG(bool, offset) = false;
  TORCH_ARG(bool, pertoken_scale) = false;
  // None means int8.
  TORCH_ARG(std::optional<::torch::Dtype>, output_dtype) = std::nullopt;
};

using LinearA8W8QuantOptions = LinearQuantOptions;

// What both modules share. The parameters, in this order, none of which takes a gradient:
//
//   | name           | present          | shape at first              | dtype at first | dtype to assign          |
//   |----------------|------------------|-----------------------------|----------------|--------------------------|
//   | weight         | always           | (out_features, in_features) | the default    | int8 or int32 (..., n, k)|
//   | scale          | always           | (out_features,)             | the default    | int64, float32, bfloat16 |
//   | offset         | as options say   | (out_features,)             | float32        | float32                  |
//   | pertoken_scale | as options say   | (out_features,), then (m,)  | float32        | float32                  |
//   | bias           | as options say   | (out_features,)             | int32          | as the op's table allows |
//
// Contents are undefined until real data are assigned, with set_data(): `fc->weight = tensor` would make the member
// another tensor than the registered parameter, as in every LibTorch module. An absent parameter is undefined.
template <class Derived>
class A8W8_TORCH_API LinearQuantBase : public ::torch::nn::Cloneable<Derived> {
 public:
  void reset() final;

  // Like Python's Module.to(), unlike LibTorch's: a dtype is for floating-point parameters, integers stay integers. A
  // parameter that cannot stay the same object on the new device (meta, a real NPU) is replaced.
  void to(::torch::Device device, ::torch::Dtype dtype, bool non_blocking = false) final;
  void to(::torch::Dtype dtype, bool non_blocking = false) final;
  void to(::torch::Device device, bool non_blocking = false) final;
  std::shared_ptr<::torch::nn::Module> clone(const std::optional<::torch::Device>& device = std::nullopt) const final;

  // What ::torch::save wrote comes back as it was: dtypes, shapes and device are those of the archive, not those that
  // the parameters have at the moment; but a FRACTAL_NZ weight comes back in ND. The archive must hold the parameters
  // that the options ask for, no others.
  void load(::torch::serialize::InputArchive& archive) final;

  LinearQuantOptions options;
  ::torch::Tensor weight, scale, offset, pertoken_scale, bias;

 protected:
  explicit LinearQuantBase(const LinearQuantOptions& options_);
  void check_integers(const ::torch::Tensor& x) const;
  ::torch::Tensor run(const ::torch::Tensor& x) const;

 private:
  template <class Function>
  void for_each_parameter(Function function);
  void assign(const char* name, ::torch::Tensor& parameter, const ::torch::Tensor& value);
};

// torch_npu.contrib.module.LinearQuant: what the op accepts, the module accepts.
class A8W8_TORCH_API LinearQuantImpl : public LinearQuantBase<LinearQuantImpl> {
 public:
  static constexpr const char* kName = "LinearQuant";

  LinearQuantImpl(int64_t in_features, int64_t out_features);
  explicit LinearQuantImpl(const LinearQuantOptions& options_);

  // Throws c10::ValueError unless x and weight are both int8 or both int32; the op refuses the rest.
  ::torch::Tensor forward(const ::torch::Tensor& x);
  void pretty_print(std::ostream& stream) const override;
};

// torch_npu.contrib.module.LinearA8W8Quant: as LinearQuant, with checks of its own (c10::ValueError) and no int32
// output. Deprecated there, so that constructing one warns.
class A8W8_TORCH_API LinearA8W8QuantImpl : public LinearQuantBase<LinearA8W8QuantImpl> {
 public:
  static constexpr const char* kName = "LinearA8W8Quant";

  LinearA8W8QuantImpl(int64_t in_features, int64_t out_features);
  explicit LinearA8W8QuantImpl(const LinearA8W8QuantOptions& options_);

  ::torch::Tensor forward(const ::torch::Tensor& x);
  void pretty_print(std::ostream& stream) const override;

 private:
  void check_dtypes() const;
};

extern template class LinearQuantBase<LinearQuantImpl>;
extern template class LinearQuantBase<LinearA8W8QuantImpl>;

// The holders: what TORCH_MODULE would write, which says torch::nn and so cannot be used in a namespace named torch.
class LinearQuant : public ::torch::nn::ModuleHolder<LinearQuantImpl> {
 public:
  using ::torch::nn::ModuleHolder<LinearQuantImpl>::ModuleHolder;
  using Impl = LinearQuantImpl;
};

class LinearA8W8Quant : public ::torch::nn::ModuleHolder<LinearA8W8QuantImpl> {
 public:
  using ::torch::nn::ModuleHolder<LinearA8W8QuantImpl>::ModuleHolder;
  using Impl = LinearA8W8QuantImpl;
};

}  // namespace a8w8::torch
