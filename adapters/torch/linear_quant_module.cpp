// The LibTorch modules. python/a8w8/nn/linear_quant.py is the same in Python: order and words of the checks agree.
#include <ATen/ops/_has_compatible_shallow_copy_type.h>
#include <ATen/ops/empty.h>
#include <torch/serialize/archive.h>

#include <algorithm>
#include <initializer_list>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include "a8w8/torch/linear_quant.h"
#include "npu_calls.h"

namespace a8w8::torch {
namespace {

using ::torch::Dtype;
using ::torch::Tensor;
using torch_adapter::OptionalInt;

std::optional<Tensor> if_defined(const Tensor& tensor) {
  return tensor.defined() ? std::optional<Tensor>(tensor) : std::nullopt;
}

// "int8", as Python calls it, rather than "Char".
std::string name_of(std::optional<Dtype> dtype) {
  return dtype ? std::string(c10::getDtypeNames(*dtype).first) : "None";
}

using Dtypes = std::initializer_list<std::optional<Dtype>>;

void require_dtype(const char* operand, std::optional<Dtype> got, Dtypes allowed) {
  std::string choices;
  for (const auto& dtype : allowed) choices += (choices.empty() ? "" : ", ") + name_of(dtype);
  TORCH_CHECK_VALUE(std::find(allowed.begin(), allowed.end(), got) != allowed.end(), LinearA8W8QuantImpl::kName, ": ",
                    operand, " is ", name_of(got), ", allowed: ", choices);
}

}  // namespace

template <class Derived>
LinearQuantBase<Derived>::LinearQuantBase(const LinearQuantOptions& options_)
    : ::torch::nn::Cloneable<Derived>(Derived::kName), options(options_) {
  reset();
}

// All five in order, whether present or not.
template <class Derived>
template <class Function>
void LinearQuantBase<Derived>::for_each_parameter(Function function) {
  function("weight", weight);
  function("scale", scale);
  function("offset", offset);
  function("pertoken_scale", pertoken_scale);
  function("bias", bias);
}

template <class Derived>
void LinearQuantBase<Derived>::reset() {
  // clone() resets the copy before it fills it: what is there may be on another device, and then stays there.
  const at::Device device = weight.defined() ? weight.device() : at::Device(at::kCPU);
  const int64_t n = options.out_features();
  weight = at::empty({n, options.in_features()}, at::TensorOptions(device));
  scale = at::empty({n}, at::TensorOptions(device));
  const auto optional = [&](bool present, Dtype dtype) {
    return present ? at::empty({n}, at::TensorOptions(device).dtype(dtype)) : Tensor();
  };
  offset = optional(options.offset(), at::kFloat);
  pertoken_scale = optional(options.pertoken_scale(), at::kFloat);
  bias = optional(options.bias(), at::kInt);
  for_each_parameter([this](const char* name, const Tensor& parameter) {
    this->register_parameter(name, parameter, /*requires_grad=*/false);
  });
}

template <class Derived>
void LinearQuantBase<Derived>::assign(const char* name, Tensor& parameter, const Tensor& value) {
  if (at::_has_compatible_shallow_copy_type(parameter, value)) {
    parameter.set_data(value);  // whoever holds the parameter sees the new value
  } else {
    parameter = value.detach();
    this->parameters_[name] = parameter;
  }
}

template <class Derived>
void LinearQuantBase<Derived>::to(::torch::Device device, Dtype dtype, bool non_blocking) {
  for_each_parameter([&](const char* name, Tensor& p) {
    if (p.defined()) assign(name, p, p.to(device, p.is_floating_point() ? dtype : p.scalar_type(), non_blocking));
  });
}

template <class Derived>
void LinearQuantBase<Derived>::to(Dtype dtype, bool non_blocking) {
  for_each_parameter([&](const char* name, Tensor& p) {
    if (p.defined() && p.is_floating_point()) assign(name, p, p.to(dtype, non_blocking));
  });
}

template <class Derived>
void LinearQuantBase<Derived>::to(::torch::Device device, bool non_blocking) {
  for_each_parameter([&](const char* name, Tensor& p) {
    if (p.defined()) assign(name, p, p.to(device, p.scalar_type(), non_blocking));
  });
}

template <class Derived>
std::shared_ptr<::torch::nn::Module> LinearQuantBase<Derived>::clone(
    const std::optional<::torch::Device>& device) const {
  // In two steps, because Cloneable cannot copy to a device on which parameters must be replaced.
  auto copy = ::torch::nn::Cloneable<Derived>::clone();
  if (device) copy->to(*device);
  return copy;
}

template <class Derived>
void LinearQuantBase<Derived>::load(::torch::serialize::InputArchive& archive) {
  for_each_parameter([&](const char* name, Tensor& parameter) {
    // Module::load would copy into the parameter, which must then have the dtype of the archive.
    Tensor stored;
    const bool found = archive.try_read(name, stored);
    TORCH_CHECK(found || !parameter.defined(), Derived::kName, ": the archive has no ", name,
                ", but the options of the module ask for one");
    TORCH_CHECK(!found || parameter.defined(), Derived::kName, ": the archive has a ", name,
                ", but the options of the module ask for none");
    if (found) assign(name, parameter, stored);
  });
}

template <class Derived>
void LinearQuantBase<Derived>::check_integers(const Tensor& x) const {
  const Dtype a = x.scalar_type(), b = weight.scalar_type();
  TORCH_CHECK_VALUE(a == b && (a == at::kChar || a == at::kInt), Derived::kName, ": x is ", name_of(a),
                    " and weight is ", name_of(b), ", allowed: both int8 or both int32");
}

template <class Derived>
Tensor LinearQuantBase<Derived>::run(const Tensor& x) const {
  const auto output = options.output_dtype();
  const bool wide_output = output == at::kBFloat16 || output == at::kInt;
  const bool pack = !pertoken_scale.defined() && scale.scalar_type() == at::kFloat && !wide_output;
  return torch_adapter::call_quant_matmul(
      x, weight.transpose(-2, -1), pack ? torch_adapter::call_trans_quant_param(scale, if_defined(offset)) : scale,
      if_defined(offset), if_defined(pertoken_scale), if_defined(bias),
      output ? OptionalInt(static_cast<int64_t>(*output)) : std::nullopt);
}

template class LinearQuantBase<LinearQuantImpl>;
template class LinearQuantBase<LinearA8W8QuantImpl>;

LinearQuantImpl::LinearQuantImpl(int64_t in_features, int64_t out_features)
    : LinearQuantImpl(LinearQuantOptions(in_features, out_features)) {}
LinearQuantImpl::LinearQuantImpl(const LinearQuantOptions& options_) : LinearQuantBase(options_) {}

Tensor LinearQuantImpl::forward(const Tensor& x) {
  check_integers(x);
  return run(x);
}

void LinearQuantImpl::pretty_print(std::ostream& stream) const { stream << kName << "()"; }

LinearA8W8QuantImpl::LinearA8W8QuantImpl(int64_t in_features, int64_t out_features)
    : LinearA8W8QuantImpl(LinearA8W8QuantOptions(in_features, out_features)) {}
LinearA8W8QuantImpl::LinearA8W8QuantImpl(const LinearA8W8QuantOptions& options_) : LinearQuantBase(options_) {
  TORCH_WARN_DEPRECATION("LinearA8W8Quant is deprecated and will be removed; use LinearQuant instead");
}

void LinearA8W8QuantImpl::check_dtypes() const {
  const auto check = [](const char* operand, const Tensor& tensor, Dtypes allowed) {
    if (tensor.defined()) require_dtype(operand, tensor.scalar_type(), allowed);
  };
  check("scale", scale, {at::kLong, at::kFloat, at::kBFloat16});
  check("offset", offset, {at::kFloat});
  check("bias", bias, {at::kInt, at::kBFloat16, at::kHalf, at::kFloat});
  check("pertoken_scale", pertoken_scale, {at::kFloat});
  require_dtype("output_dtype", options.output_dtype(), {std::nullopt, at::kChar, at::kHalf, at::kBFloat16});
}

Tensor LinearA8W8QuantImpl::forward(const Tensor& x) {
  check_integers(x);
  check_dtypes();
  return run(x);
}

void LinearA8W8QuantImpl::pretty_print(std::ostream& stream) const { stream << kName << "()"; }

}  // namespace a8w8::torch
