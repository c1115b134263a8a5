// Reading views of any strides: small operands as dense arrays, large ones row by row.
#pragma once

#include "a8w8/tensor_view.h"

namespace a8w8 {

// Elements of `view` in row-major order, widened exactly. Dtypes: float32, float16, bfloat16, int8, uint8, int32 (an
// int32 above 2^24 is rounded).
void read_floats(const ConstTensorView& view, float* out);
// Of an int32 or int64 view, respectively.
void read_ints(const ConstTensorView& view, int32_t* out);
void read_ints(const ConstTensorView& view, int64_t* out);

// The same elements as a dense array: those of the view where they lie, if it is one already, or else read to `to`.
const float* dense_floats(const ConstTensorView& view, float* to);
const int32_t* dense_ints(const ConstTensorView& view, int32_t* to);
bool is_dense_floats(const ConstTensorView& view);  // then nothing is read to `to`, which may be null

// A view as rows along its last dimension, numbered in row-major order; rank >= 1.
int64_t row_count(const ConstTensorView& view);
const std::byte* row_pointer(const ConstTensorView& view, int64_t row);

// Whether each row is contiguous.
inline bool has_dense_rows(const ConstTensorView& view) { return view.sizes[-1] == 1 || view.strides[-1] == 1; }
// Copies row by row to dense memory and returns the contiguous view of it; `to` holds view.numel() elements.
ConstTensorView copy_dense(const ConstTensorView& view, void* to);

}  // namespace a8w8
