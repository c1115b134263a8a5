// Single numbers of small tensors, whatever their dtype.
#pragma once

#include <string>

#include "a8w8/tensor_view.h"

namespace a8w8::checkpoint {

// Element i of a view whose dimensions are all 1 but, at most, the first.
double element(const ConstTensorView& view, int64_t i);

// A deq_scale of int64 holds a float32 in its low 32 bits; the upper ones are zero, copies of its sign, or flags of the
// Ascend's packed form, and do not matter.
double packed_scale(const ConstTensorView& view, int64_t i);

std::string dtype_names(DTypeSet set);  // "float32 or int64"

// x rounded to a float dtype.
float rounded_to(DType dtype, float x);

}  // namespace a8w8::checkpoint
