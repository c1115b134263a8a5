#include <cmath>
#include <cstring>

#include "a8w8/half.h"
#include "kernels/scalar/kernels.h"

namespace a8w8::scalar {
namespace {

float load(const void* x, DType dtype, int64_t j) {
  if (dtype == DType::kF32) return static_cast<const float*>(x)[j];
  const uint16_t bits = static_cast<const uint16_t*>(x)[j];
  return dtype == DType::kF16 ? half_to_float(bits) : bfloat16_to_float(bits);
}

// The bounds are integers, so clamping before rounding is the same and keeps the cast defined.
int8_t round_to_s8(float y, float lo, float hi) {
  if (y != y) return 0;
  y = y < lo ? lo : y > hi ? hi : y;
  return static_cast<int8_t>(std::nearbyint(y));
}

uint32_t abs_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits & 0x7fffffffu;
}

float smoothed(const DynamicQuantRow& row, int64_t j) {
  const float x = load(row.x, row.x_dtype, j);
  return row.smooth ? x * row.smooth[j] : x;
}

}  // namespace

void quantize_row(const QuantizeRow& row) noexcept {
  for (int64_t j = 0; j < row.n; ++j) {
    const int64_t s = row.per_element ? j : 0;
    const float x = load(row.x, row.x_dtype, j);
    float y = row.divide ? x / row.scale[s] : x * row.scale[s];
    if (row.zero_point) y = y + row.zero_point[s];
    row.out[j] = round_to_s8(y, row.lo, row.hi);
  }
}

// Magnitudes are compared as integers: the order is the same, and a NaN is above infinity and so is not lost.
float dynamic_quant_row(const DynamicQuantRow& row) noexcept {
  uint32_t max_bits = 0;
  for (int64_t j = 0; j < row.n; ++j) {
    const uint32_t bits = abs_bits(smoothed(row, j));
    max_bits = bits > max_bits ? bits : max_bits;
  }
  if (max_bits > 0x7f800000u) max_bits = 0x7fc00000u;  // one NaN, whichever NaN was met
  float max_abs;
  std::memcpy(&max_abs, &max_bits, sizeof max_abs);
  const float scale = max_abs / row.max;
  for (int64_t j = 0; j < row.n; ++j) {
    row.out[j] = round_to_s8(smoothed(row, j) / scale, -row.max - 1.0f, row.max);
  }
  return scale;
}

}  // namespace a8w8::scalar
