// Float in, float out: the input is quantized, multiplied by an int8 weight as it is stored, and the sums are scaled
// back. Not vendor ops; they are what npu_dynamic_quant or npu_quantize followed by npu_quant_matmul compute, in one
// call, with every float dtype for the result and without the 19-bit truncation of float scales.
#pragma once

#include <optional>

#include "a8w8/tensor_view.h"

namespace a8w8 {

class ExecutionContext;

// ps[i] = max|x[i,:]| / 127; x_q = rint(x / ps); y = float(x_q . weight^T) * weight_scale * ps[i] + bias, each
// operation rounded to float32.
struct LinearDynamicArgs {
  ConstTensorView x;                                   // float32, float16, bfloat16 (..., k), 1 to 8 dimensions
  ConstTensorView weight;                              // int8 (n, k)
  ConstTensorView weight_scale;                        // a float dtype, (n,) or (n, 1)
  std::optional<ConstTensorView> bias = std::nullopt;  // a float dtype, (n,)
};

// x_q = clamp(rint(x / input_scale + input_offset), -128, 127);
// y = float(x_q . weight^T + quant_bias) * deq_scale + bias, each operation rounded to float32.
struct LinearStaticArgs {
  ConstTensorView x;             // as above
  ConstTensorView input_scale;   // a float dtype, one element
  ConstTensorView input_offset;  // a float dtype or int8, one element
  ConstTensorView weight;        // int8 (n, k)
  ConstTensorView
      deq_scale;  // float32 or bfloat16 (n,), or int64: float32 bits in the low word (trans_quant_param's words too)
  std::optional<ConstTensorView> quant_bias = std::nullopt;  // int32 (n,): the bias and the correction for input_offset
  std::optional<ConstTensorView> bias = std::nullopt;  // a float dtype, (n,): of layers whose bias is not in there
  // x * r in place of x / input_scale, as vLLM-Ascend computes: r = 1 / input_scale, where input_scale is first rounded
  // to the dtype of x, and so is r.
  bool reciprocal = false;
};

// (..., n), dtype of x. Throws Error naming operand, value and what is allowed.
TensorDesc infer(const LinearDynamicArgs& args);
TensorDesc infer(const LinearStaticArgs& args);

// `out` has infer()'s shape and dtype and is contiguous.
void linear_dynamic(const LinearDynamicArgs& args, const TensorView& out, ExecutionContext& ctx);
void linear_static(const LinearStaticArgs& args, const TensorView& out, ExecutionContext& ctx);

}  // namespace a8w8
