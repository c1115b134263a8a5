// npu_quant_matmul: int8 x int8 or int4 x int4, bias, and dequantization or requantization in one step.
//
//   QuantMatmulArgs args{.x1 = ConstTensorView(a, DType::kI8, {m, k}),
//                        .x2 = ConstTensorView(w, DType::kI8, {n, k}).transposed(),   // weights as stored
//                        .scale = ConstTensorView(s, DType::kF32, {n})};
//   args.output_dtype = DType::kBF16;
//   TensorDesc desc = infer(args);                          // shape and dtype, or throws Error
//   std::vector<std::byte> out(desc.bytes());
//   quant_matmul(args, TensorView(out.data(), desc.dtype, desc.sizes), ctx);
//
// Order of operations and rounding: docs/numerics.md. Results are the same bits on every CPU and for every context.
#pragma once

#include <optional>

#include "a8w8/product.h"
#include "a8w8/tensor_view.h"

namespace a8w8 {

class ExecutionContext;

struct QuantMatmulArgs {
  // int8 (..., m, k), 2 to 6 dimensions, any strides; or int32 (..., m, k / 8), words of eight int4 along k
  ConstTensorView x1;
  // int8 (..., k, n), likewise, leading dimensions broadcast; or int32 (k, n / 8), words along n, or (k / 8, n), words
  // along k: the transposed view of a packed (n, k). Either may be in FRACTAL_NZ (fractal_nz_view), or the transposed
  // view of such a tensor.
  ConstTensorView x2;
  ConstTensorView scale;  // int64 (trans_quant_param's words), float32, bfloat16: (1,) or (n,)
  std::optional<ConstTensorView> offset =
      std::nullopt;  // float32 (1,) or (n,): int8 output; not read with an int64 scale
  std::optional<ConstTensorView> pertoken_scale = std::nullopt;  // float32 (m,)
  std::optional<ConstTensorView> bias =
      std::nullopt;                 // int32, bfloat16, float16, float32: (n,), or (batch, 1, n) for a 3-D result
  DType output_dtype = DType::kI8;  // int8, float16, bfloat16, int32
  // None, or three numbers of 0 or 1, which have no effect; or (1, 1, g): int4 operands with scales and zero points
  // for each g elements of k. Then scale is float32 (k / g, n), offset float16 (k / g, n), pertoken_scale (m,) or (m,
  // 1).
  std::optional<Dims> group_sizes = std::nullopt;
};

// Shape and dtype of the result. Throws Error naming operand, value, what is allowed and the rule; the legal
// combinations of dtypes are the product's table in src/spec/quant_matmul_table.cpp.
TensorDesc infer(const QuantMatmulArgs& args, Product product = default_product());

// `out` has infer()'s shape and dtype and is contiguous. It must not overlap the operands.
void quant_matmul(const QuantMatmulArgs& args, const TensorView& out, ExecutionContext& ctx,
                  Product product = default_product());

}  // namespace a8w8
