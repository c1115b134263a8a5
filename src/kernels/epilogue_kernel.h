// The contract of the epilogue: from int32 sums to results. One IEEE binary32 operation after the other, each rounded
// to nearest even, none fused and none reordered, so every implementation gives the same bits:
//
//   c   = sum (+ bias_i32[j], wrapping)              out int32: store c
//   y   = float(c) * scale[j]
//   out int8: q = clamp(rint(y), -256, 255); store clamp(q + offset[j], -128, 127)      rint: half to even; NaN gives 0
//   y   = y * row_scale[i]                           if given
//   y   = y + bias_f32[j]                            if given
//   out float32: store y; float16, bfloat16: store y rounded to nearest even, overflow to infinity, subnormals kept
#pragma once

#include <cstdint>

#include "a8w8/dtype.h"
#include "a8w8/isa.h"

namespace a8w8 {

// One rectangle of the result. Pointers with [j] are to its first column, with [i] to its first row.
struct EpilogueTile {
  int64_t rows = 0, cols = 0;
  const int32_t* c = nullptr;  // the sums, row stride ldc
  int64_t ldc = 0;
  const int32_t* bias_i32 = nullptr;  // [j] or null
  const float* scale = nullptr;       // [j]; may be null when out_dtype is int32
  const int32_t* offset = nullptr;    // [j] in -256..255, or null: int8 only
  const float* row_scale = nullptr;   // [i] or null: floating outputs only
  const float* bias_f32 = nullptr;    // [j] or null: floating outputs only
  DType out_dtype = DType::kI8;       // int8, int32, float16, bfloat16, float32
  void* out = nullptr;                // row stride ldo elements; exactly rows x cols elements are written
  int64_t ldo = 0;
};

using EpilogueFn = void(const EpilogueTile& tile) noexcept;

struct EpilogueKernel {
  const char* name;  // epilogue_<isa>
  IsaSet needs;
  EpilogueFn* run;
};

}  // namespace a8w8
