// The npu:: ops, called from C++ through the dispatcher: whichever library implements them.
#pragma once

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>

#include <optional>

namespace a8w8::torch_adapter {

using OptionalTensor = const std::optional<at::Tensor>&;
using OptionalInt = std::optional<int64_t>;

inline at::Tensor call_trans_quant_param(const at::Tensor& scale, OptionalTensor offset) {
  using Signature = at::Tensor(const at::Tensor&, OptionalTensor, OptionalInt);
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("npu::npu_trans_quant_param", "").typed<Signature>();
  return op.call(scale, offset, 0);
}

inline at::Tensor call_quant_matmul(const at::Tensor& x1, const at::Tensor& x2, const at::Tensor& scale,
                                    OptionalTensor offset, OptionalTensor pertoken_scale, OptionalTensor bias,
                                    OptionalInt output_dtype) {
  using Signature = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&, OptionalTensor, OptionalTensor,
                               OptionalTensor, OptionalInt, OptionalInt, OptionalInt, OptionalInt, OptionalInt,
                               at::OptionalIntArrayRef, OptionalTensor);
  static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("npu::npu_quant_matmul", "").typed<Signature>();
  // Where no gradient is asked for, Autograd has nothing to add, but would box all arguments to find that out. x1 and
  // x2 are integers.
  const auto needs_gradient = [](OptionalTensor t) { return t && t->requires_grad(); };
  const bool gradient = at::GradMode::is_enabled() && (scale.requires_grad() || needs_gradient(offset) ||
                                                       needs_gradient(pertoken_scale) || needs_gradient(bias));
  std::optional<at::AutoDispatchBelowAutograd> below_autograd;
  if (!gradient) below_autograd.emplace();
  return op.call(x1, x2, scale, offset, pertoken_scale, bias, output_dtype, std::nullopt, std::nullopt, std::nullopt,
                 std::nullopt, std::nullopt, std::nullopt);
}

}  // namespace a8w8::torch_adapter
