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

// Factors of a dynamic quantization: (h) for all rows, or (groups, h), of which group e serves rows group_end[e - 1] ..
// group_end[e] - 1. No values: none.
struct SmoothScales {
  const float* values = nullptr;
  const int32_t* group_end = nullptr;
  int64_t groups = 0;
};

// Where the results go: int8 of x's shape, contiguous, in -128 .. 127; or, where `words` is given, in -8 .. 7 and then
// also packed there as int4 (rows a multiple of 8 long).
struct QuantizedRows {
  int8_t* values = nullptr;
  uint32_t* words = nullptr;
};

// x has dense rows (tensor/read.h).
void quantize_rows(const ConstTensorView& x, const StaticScales& scales, const QuantizedRows& out,
                   ExecutionContext& ctx);
// scale: one a row.
void dynamic_quant_rows(const ConstTensorView& x, const SmoothScales& smooth, const QuantizedRows& out, float* scale,
                        ExecutionContext& ctx);

// Which index along dimension `axis` row number `row` has (axis is not the last).
int64_t index_along(const Dims& sizes, int axis, int64_t row);

}  // namespace a8w8
