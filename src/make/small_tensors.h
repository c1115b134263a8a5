// Vectors of numbers beside a weight, as floats: read from any dtype, written in the one that is wanted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "a8w8/tensor_view.h"

namespace a8w8::make {

// All elements of a contiguous view of a float dtype, int8, int32, or int64 (of which the low 32 bits are the bits of a
// float, as in a deq_scale of float16 models).
std::vector<float> values_of(const ConstTensorView& view);

// Whether each number is one of the dtype.
bool fit_exactly(const std::vector<float>& values, DType dtype);

// The numbers as bytes of a float dtype, rounded to nearest even.
std::vector<std::byte> as_bytes(const std::vector<float>& values, DType dtype);

float value_at(const ConstTensorView& view, int64_t i);
void store_value(std::byte* to, int64_t i, float value, DType dtype);

}  // namespace a8w8::make
