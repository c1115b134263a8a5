// a8w8::linear_dynamic and a8w8::linear_static: float in, float out.
#include "a8w8/linear_ops.h"

#include <torch/library.h>

#include "convert.h"
#include "packed_operand.h"

namespace a8w8::torch_adapter {
namespace {

template <Mode mode>
at::Tensor linear_dynamic(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& weight_scale,
                          OptionalTensor bias) {
  return with_operands("linear_dynamic", mode, [&](Operands& operands) {
    LinearDynamicArgs args;
    args.x = operands.view(x, "x", Free::kRows), args.weight_scale = operands.view(weight_scale, "weight_scale");
    args.weight = linear_weight(operands, weight, args.x, args.weight_scale);
    args.bias = operands.view(bias, "bias");
    const at::Tensor out = operands.empty(infer(args));
    if constexpr (mode == Mode::kCpu) a8w8::linear_dynamic(args, output_view(out), current_context());
    return out;
  });
}

template <Mode mode>
at::Tensor linear_static(const at::Tensor& x, const at::Tensor& input_scale, const at::Tensor& input_offset,
                         const at::Tensor& weight, const at::Tensor& deq_scale, OptionalTensor quant_bias,
                         OptionalTensor bias, bool reciprocal) {
  return with_operands("linear_static", mode, [&](Operands& operands) {
    LinearStaticArgs args;
    args.x = operands.view(x, "x", Free::kRows), args.deq_scale = operands.view(deq_scale, "deq_scale");
    args.input_scale = operands.view(input_scale, "input_scale");
    args.input_offset = operands.view(input_offset, "input_offset");
    args.weight = linear_weight(operands, weight, args.x, args.deq_scale);
    args.quant_bias = operands.view(quant_bias, "quant_bias"), args.bias = operands.view(bias, "bias");
    args.reciprocal = reciprocal;
    const at::Tensor out = operands.empty(infer(args));
    if constexpr (mode == Mode::kCpu) a8w8::linear_static(args, output_view(out), current_context());
    return out;
  });
}

template <Mode mode>
void implement(torch::Library& m) {
  m.impl("linear_dynamic", linear_dynamic<mode>);
  m.impl("linear_static", linear_static<mode>);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(a8w8, m) {
  m.def("linear_dynamic(Tensor x, Tensor weight, Tensor weight_scale, Tensor? bias=None) -> Tensor",
        {at::Tag::pt2_compliant_tag});
  m.def(
      "linear_static(Tensor x, Tensor input_scale, Tensor input_offset, Tensor weight, Tensor deq_scale, "
      "Tensor? quant_bias=None, *, Tensor? bias=None, bool reciprocal=False) -> Tensor",
      {at::Tag::pt2_compliant_tag});
}

TORCH_LIBRARY_IMPL(a8w8, CPU, m) { implement<Mode::kCpu>(m); }
TORCH_LIBRARY_IMPL(a8w8, Meta, m) { implement<Mode::kMeta>(m); }

}  // namespace a8w8::torch_adapter
