// The quantizers, sixteen elements at a time. A tail is copied to a buffer, goes the same way, and is copied back.
#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "kernels/neon_dot/kernels.h"

namespace a8w8::neon_dot {
namespace {

constexpr int kLanes = 4, kVectors = 4, kElements = kLanes * kVectors;

// Elements j .. j + 3 widened to float32. What a conversion makes of the payload of a NaN does not matter.
[[gnu::always_inline]] inline float32x4_t load(const void* x, DType dtype, int64_t j) {
  if (dtype == DType::kF32) return vld1q_f32(static_cast<const float*>(x) + j);
  const uint16x4_t h = vld1_u16(static_cast<const uint16_t*>(x) + j);
  return dtype == DType::kF16 ? vcvt_f32_f16(vreinterpret_f16_u16(h)) : vreinterpretq_f32_u32(vshll_n_u16(h, 16));
}

// The first `count` elements; null stays null.
[[gnu::always_inline]] inline const void* copy(const void* from, int64_t count, size_t size, void* to) {
  if (from) std::memcpy(to, from, static_cast<size_t>(count) * size);
  return from ? to : nullptr;
}
[[gnu::always_inline]] inline const float* copy(const float* from, int64_t count, float (&to)[kElements]) {
  return static_cast<const float*>(copy(from, count, sizeof(float), to));
}

// The conversion rounds half to even, saturates, and makes 0 of NaN. The bounds are whole numbers.
[[gnu::always_inline]] inline void store_rounded(const float32x4_t (&y)[kVectors], float lo, float hi, int8_t* out) {
  const int16x8_t lo16 = vdupq_n_s16(static_cast<int16_t>(lo)), hi16 = vdupq_n_s16(static_cast<int16_t>(hi));
  int8x8_t q[2];
  for (int i = 0; i < 2; ++i) {
    const int16x4_t first = vqmovn_s32(vcvtnq_s32_f32(y[2 * i])), second = vqmovn_s32(vcvtnq_s32_f32(y[2 * i + 1]));
    q[i] = vmovn_s16(vmaxq_s16(vminq_s16(vcombine_s16(first, second), hi16), lo16));
  }
  vst1q_s8(out, vcombine_s8(q[0], q[1]));
}

[[gnu::always_inline]] inline void quantize(const QuantizeRow& row, int64_t j) {
  float32x4_t y[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    const int64_t at = j + kLanes * v;
    const float32x4_t scale = row.per_element ? vld1q_f32(row.scale + at) : vdupq_n_f32(row.scale[0]);
    y[v] = load(row.x, row.x_dtype, at);
    y[v] = row.divide ? vdivq_f32(y[v], scale) : vmulq_f32(y[v], scale);
    if (row.zero_point) {
      y[v] = vaddq_f32(y[v], row.per_element ? vld1q_f32(row.zero_point + at) : vdupq_n_f32(row.zero_point[0]));
    }
  }
  store_rounded(y, row.lo, row.hi, row.out + j);
}

[[gnu::always_inline]] inline float32x4_t smoothed(const DynamicQuantRow& row, int64_t j) {
  const float32x4_t x = load(row.x, row.x_dtype, j);
  return row.smooth ? vmulq_f32(x, vld1q_f32(row.smooth + j)) : x;
}

// Magnitudes are compared as integers: the order is the same, and a NaN is above infinity and so is not lost.
using Magnitudes = uint32x4_t[kVectors];
[[gnu::always_inline]] inline void find_max(const DynamicQuantRow& row, int64_t j, Magnitudes& max) {
  for (int v = 0; v < kVectors; ++v) {
    const uint32x4_t bits = vreinterpretq_u32_f32(smoothed(row, j + kLanes * v));
    max[v] = vmaxq_u32(max[v], vandq_u32(bits, vdupq_n_u32(0x7fffffff)));
  }
}

[[gnu::always_inline]] inline void dynamic_quant(const DynamicQuantRow& row, float scale, int64_t j) {
  float32x4_t y[kVectors];
  for (int v = 0; v < kVectors; ++v) y[v] = vdivq_f32(smoothed(row, j + kLanes * v), vdupq_n_f32(scale));
  store_rounded(y, -row.max - 1.0f, row.max, row.out + j);
}

}  // namespace

// A copy of the description is not changed by what is stored, so that no vector reads it anew.
void quantize_row(const QuantizeRow& given) noexcept {
  const QuantizeRow row = given;
  const int64_t whole = row.n / kElements * kElements, odd = row.n - whole;
  for (int64_t j = 0; j < whole; j += kElements) quantize(row, j);
  if (odd == 0) return;
  const size_t size = dtype_size(row.x_dtype);
  const int64_t at = row.per_element ? whole : 0, count = row.per_element ? odd : 1;
  float x[kElements] = {}, scale[kElements] = {}, zero_point[kElements] = {};
  int8_t out[kElements];
  QuantizeRow tail = row;
  tail.x = copy(static_cast<const uint8_t*>(row.x) + static_cast<size_t>(whole) * size, odd, size, x);
  tail.scale = copy(row.scale + at, count, scale);
  tail.zero_point = copy(row.zero_point ? row.zero_point + at : nullptr, count, zero_point);
  tail.out = out;
  quantize(tail, 0);
  std::memcpy(row.out + whole, out, static_cast<size_t>(odd));
}

float dynamic_quant_row(const DynamicQuantRow& given) noexcept {
  const DynamicQuantRow row = given;
  const int64_t whole = row.n / kElements * kElements, odd = row.n - whole;
  const size_t size = dtype_size(row.x_dtype);
  float x[kElements] = {}, smooth[kElements] = {};
  int8_t out[kElements];
  DynamicQuantRow tail = row;
  if (odd) {
    tail.x = copy(static_cast<const uint8_t*>(row.x) + static_cast<size_t>(whole) * size, odd, size, x);
    tail.smooth = copy(row.smooth ? row.smooth + whole : nullptr, odd, smooth);
    tail.out = out;
  }
  Magnitudes max = {};
  for (int64_t j = 0; j < whole; j += kElements) find_max(row, j, max);
  if (odd) find_max(tail, 0, max);
  uint32_t bits = vmaxvq_u32(vmaxq_u32(vmaxq_u32(max[0], max[1]), vmaxq_u32(max[2], max[3])));
  if (bits > 0x7f800000u) bits = 0x7fc00000u;  // one NaN, whichever NaN was met
  float max_abs;
  std::memcpy(&max_abs, &bits, sizeof max_abs);
  const float scale = max_abs / row.max;
  for (int64_t j = 0; j < whole; j += kElements) dynamic_quant(row, scale, j);
  if (odd) {
    dynamic_quant(tail, scale, 0);
    std::memcpy(row.out + whole, out, static_cast<size_t>(odd));
  }
  return scale;
}

}  // namespace a8w8::neon_dot
