// The contract of the quantizers: one contiguous row of floats to int8. Inputs are widened exactly to float32; each
// operation is one IEEE binary32 operation, rounded to nearest even, none fused; rint rounds half to even, NaN becomes
// 0.
#pragma once

#include <cstdint>

#include "a8w8/dtype.h"
#include "a8w8/isa.h"

namespace a8w8 {

// out[j] = clamp(rint(x[j] / scale[j] + zero_point[j]), lo, hi), or x[j] * scale[j] where divide is false.
struct QuantizeRow {
  const void* x = nullptr;
  DType x_dtype = DType::kF32;  // float32, float16, bfloat16
  int64_t n = 0;
  const float* scale = nullptr;       // [n], or [1] where per_element is false
  const float* zero_point = nullptr;  // likewise, or null for no addition
  bool per_element = false;
  bool divide = true;
  float lo = -128.0f, hi = 127.0f;  // whole numbers from -128 to 127
  int8_t* out = nullptr;            // [n]
};
using QuantizeRowFn = void(const QuantizeRow& row) noexcept;

// v[j] = x[j] (* smooth[j] where given); scale = max|v| / max (the NaN 0x7fc00000 if any v is NaN); out[j] =
// clamp(rint(v[j] / scale), -max - 1, max). Returns scale. A row of zeros has scale 0 and gives zeros (0/0 is NaN,
// which becomes 0).
struct DynamicQuantRow {
  const void* x = nullptr;
  DType x_dtype = DType::kF32;
  int64_t n = 0;
  const float* smooth = nullptr;  // [n] or null
  float max = 127.0f;             // 127, or 7 for int4
  int8_t* out = nullptr;          // [n]
};
using DynamicQuantRowFn = float(const DynamicQuantRow& row) noexcept;

struct QuantizeKernel {
  const char* name;  // quantize_<isa>
  IsaSet needs;
  QuantizeRowFn* quantize_row;
  DynamicQuantRowFn* dynamic_quant_row;
};

}  // namespace a8w8
