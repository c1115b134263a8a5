#include <cmath>

#include "a8w8/half.h"
#include "kernels/scalar/kernels.h"

namespace a8w8::scalar {
namespace {

int32_t clamp(int32_t x, int32_t lo, int32_t hi) { return x < lo ? lo : x > hi ? hi : x; }

// rint to nine bits; NaN gives 0. The bounds are integers, so clamping first is the same and keeps the cast defined.
int32_t round_to_s9(float y) {
  if (y != y) return 0;
  y = y < -256.0f ? -256.0f : y > 255.0f ? 255.0f : y;
  return static_cast<int32_t>(std::nearbyint(y));
}

void store(const EpilogueTile& t, int64_t i, int64_t j) {
  const int64_t at = i * t.ldo + j;
  uint32_t sum = static_cast<uint32_t>(t.c[i * t.ldc + j]);  // the bias may wrap
  if (t.bias_i32) sum += static_cast<uint32_t>(t.bias_i32[j]);
  const int32_t c = static_cast<int32_t>(sum);
  if (t.out_dtype == DType::kI32) {
    static_cast<int32_t*>(t.out)[at] = c;
    return;
  }
  float y = static_cast<float>(c) * t.scale[j];
  if (t.out_dtype == DType::kI8) {
    static_cast<int8_t*>(t.out)[at] =
        static_cast<int8_t>(clamp(round_to_s9(y) + (t.offset ? t.offset[j] : 0), -128, 127));
    return;
  }
  if (t.row_scale) y = y * t.row_scale[i];
  if (t.bias_f32) y = y + t.bias_f32[j];
  if (t.out_dtype == DType::kF32) {
    static_cast<float*>(t.out)[at] = y;
  } else {
    static_cast<uint16_t*>(t.out)[at] = t.out_dtype == DType::kF16 ? float_to_half(y) : float_to_bfloat16(y);
  }
}

}  // namespace

void epilogue(const EpilogueTile& tile) noexcept {
  for (int64_t i = 0; i < tile.rows; ++i) {
    for (int64_t j = 0; j < tile.cols; ++j) store(tile, i, j);
  }
}

}  // namespace a8w8::scalar
