// npu_quantize and npu_dynamic_quant: floats to int8 or int4, with scales given or found row by row.
//
//   std::vector<int8_t> q(m * k);
//   std::vector<float> scale(m);
//   DynamicQuantArgs args{.x = ConstTensorView(x, DType::kF16, {m, k})};
//   dynamic_quant(args, TensorView(q.data(), DType::kI8, {m, k}), TensorView(scale.data(), DType::kF32, {m}), ctx);
#pragma once

#include <optional>

#include "a8w8/product.h"
#include "a8w8/tensor_view.h"

namespace a8w8 {

class ExecutionContext;

struct QuantizeArgs {
  ConstTensorView x;  // float32, float16, bfloat16 (not Atlas inference); 1 to 8 dimensions, any strides; may be empty
  ConstTensorView scales;  // (1,) or as long as the axis. div_mode: float32 or bfloat16; else any float dtype, and also
                           // x.rank() dimensions that are 1 except for the axis
  // Shaped like scales. div_mode: int8, uint8, int32, float32, bfloat16; else any float dtype.
  std::optional<ConstTensorView> zero_points = std::nullopt;
  DType dtype = DType::kI8;  // int8; with div_mode also uint8 and int32
  bool int4 =
      false;  // -8 .. 7, eight in an int32 word (format.h), last dimension / 8; dtype is not read. div_mode false
  int64_t axis =
      1;  // div_mode: -rank .. rank - 1; else -2 (not Atlas inference), and all others mean the last dimension
  bool div_mode =
      true;  // true: rint(x / scale + zero_point); false: rint(x * scale + zero_point); saturated, NaN gives 0
};

// Shape and dtype of the result; throws Error naming operand, value, what is allowed and the rule.
TensorDesc infer(const QuantizeArgs& args, Product product = default_product());
// `out` has infer()'s shape and dtype and is contiguous.
void quantize(const QuantizeArgs& args, const TensorView& out, ExecutionContext& ctx,
              Product product = default_product());

struct DynamicQuantArgs {
  ConstTensorView x;  // float32, float16, bfloat16; 2 to 8 dimensions (..., h), any strides
  std::optional<ConstTensorView> smooth_scales = std::nullopt;  // (h,) of x's dtype; with group_index (E, h)
  // int32 (E,), not decreasing, the last one the number of rows of x flattened to (rows, h): row e of smooth_scales
  // belongs to rows group_index[e - 1] .. group_index[e] - 1.
  std::optional<ConstTensorView> group_index = std::nullopt;
  bool int4 = false;  // y is packed int4, eight in an int32 word; h is a multiple of 8
};

struct DynamicQuantDesc {
  TensorDesc y;      // int8, x's shape; or int32, the last dimension / 8
  TensorDesc scale;  // float32, x's shape without the last dimension
};

// scale = max|x * smooth| / 127 along the last dimension, y = clamp(rint(x * smooth / scale), -128, 127); for int4 / 7
// and -8 .. 7. A row of zeros has scale 0 and y 0.
DynamicQuantDesc infer(const DynamicQuantArgs& args);
void dynamic_quant(const DynamicQuantArgs& args, const TensorView& y, const TensorView& scale, ExecutionContext& ctx);

}  // namespace a8w8
