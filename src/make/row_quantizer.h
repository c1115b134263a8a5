// Float rows to int8 rows with one scale each, in the arithmetic of the tools that make checkpoints: every operation
// rounds to the dtype of the weight, as PyTorch does.
//
//   scale = round(max|w| / divisor);  q = clamp(rint(round(w / scale)), least, 127)
//
// Rows are contiguous, of float32, bfloat16 or float16. The loops have no branches and no calls, so that compilers make
// vector code of them; results are the same bits everywhere.
#pragma once

#include <cstdint>

#include "a8w8/dtype.h"

namespace a8w8::make {

struct RowRecipe {
  float divisor;
  int32_t least;          // -128 or -127
  float empty_scales[3];  // of a row whose scale would be 0: for float32, bfloat16, float16

  float empty_scale(DType dtype) const {
    return empty_scales[dtype == DType::kF32 ? 0 : dtype == DType::kBF16 ? 1 : 2];
  }
};

// The scale of a row without weights can be anything; msModelSlim's files and those of this library have 2^-14, the
// least normal float16, llm-compressor's the dtype's distance from 1 to the next number.
inline constexpr RowRecipe kMsModelSlim = {127.0f, -127, {0x1p-14f, 0x1p-14f, 0x1p-14f}};  // of dynamic layers
inline constexpr RowRecipe kCompressedTensors = {127.5f, -128, {0x1p-23f, 0x1p-7f, 0x1p-10f}};

// max|w|; infinity or a NaN if one of the k numbers is that.
float largest_magnitude(const void* row, DType dtype, int64_t k) noexcept;

// Of a row whose largest magnitude is finite.
float row_scale(float largest, DType dtype, const RowRecipe& recipe) noexcept;

void quantize_row(const void* row, DType dtype, int64_t k, float scale, int32_t least, int8_t* out) noexcept;

}  // namespace a8w8::make
