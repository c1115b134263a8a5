// Tensors to int8, row by row on all threads, by the quantize kernels.
#pragma once

#include "a8w8/context.h"
#include "a8w8/tensor_view.h"
#include "kernels/quantize_kernel.h"

namespace a8w8 {

// Scales of a quantization. `scale` and `zero_point` (or null) hold one value for all, one for each element of a row,
// or, where by_row is true, one for each index of dimension `axis`.
struct StaticScales {
  const float* scale = nullptr;
  const float* zero_point = nullptr;
  bool per_element = false;
  bool by_row = false;
  int axis = 0;
  bool divide = true;
};

// x has dense rows (tensor/read.h). out: int8, x's shape, contiguous.
void quantize_rows(const ConstTensorView& x, const StaticScales& scales, int8_t* out, ExecutionContext& ctx);
// smooth: (h) or null; y: int8, x's shape, contiguous; scale: one a row.
void dynamic_quant_rows(const ConstTensorView& x, const float* smooth, int8_t* y, float* scale, ExecutionContext& ctx);

// Which index along dimension `axis` row number `row` has (axis is not the last).
int64_t index_along(const Dims& sizes, int axis, int64_t row);

}  // namespace a8w8
