// The epilogue, sixteen columns at a time. A tail is copied to a buffer, goes the same way, and is copied back.
//
// How floats are rounded and whether subnormals survive is up to FPCR, with which programs start at zero, and that is
// as IEEE has it: to nearest even, nothing flushed. (FZ16, of float16 arithmetic, does not touch conversions.)
#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "kernels/neon_dot/kernels.h"

namespace a8w8::neon_dot {
namespace {

constexpr int kLanes = 4, kVectors = 4, kCols = kLanes * kVectors;

// rint to nine bits, plus the offset, not yet saturated to eight. The conversion rounds half to even, saturates, and
// makes 0 of NaN.
[[gnu::always_inline]] inline int32x4_t to_s9(float32x4_t y, int32x4_t offset) {
  return vaddq_s32(vmaxq_s32(vminq_s32(vcvtnq_s32_f32(y), vdupq_n_s32(255)), vdupq_n_s32(-256)), offset);
}

[[gnu::always_inline]] inline int16x8_t narrow(int32x4_t low, int32x4_t high) {
  return vcombine_s16(vqmovn_s32(low), vqmovn_s32(high));
}

// The rule of float_to_bfloat16 in a8w8/half.h.
[[gnu::always_inline]] inline uint16x4_t to_bfloat16(float32x4_t y) {
  const uint32x4_t bits = vreinterpretq_u32_f32(y);
  const uint32x4_t high = vshrq_n_u32(bits, 16);
  const uint32x4_t round = vaddq_u32(vdupq_n_u32(0x7fff), vandq_u32(high, vdupq_n_u32(1)));
  const uint16x4_t rounded = vshrn_n_u32(vaddq_u32(bits, round), 16);
  const uint16x4_t quiet = vorr_u16(vmovn_u32(high), vdup_n_u16(0x40));
  return vbsl_u16(vmovn_u32(vceqq_f32(y, y)), rounded, quiet);
}

// Columns j .. j + 15 of row i.
template <DType kOut>
[[gnu::always_inline]] inline void columns(const EpilogueTile& t, int64_t i, int64_t j) {
  const int64_t at = i * t.ldo + j;
  int32x4_t c[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    c[v] = vld1q_s32(t.c + i * t.ldc + j + kLanes * v);
    if (t.bias_i32) c[v] = vaddq_s32(c[v], vld1q_s32(t.bias_i32 + j + kLanes * v));
    if (kOut == DType::kI32) vst1q_s32(static_cast<int32_t*>(t.out) + at + kLanes * v, c[v]);
  }
  if constexpr (kOut == DType::kI32) return;

  float32x4_t y[kVectors];
  for (int v = 0; v < kVectors; ++v) y[v] = vmulq_f32(vcvtq_f32_s32(c[v]), vld1q_f32(t.scale + j + kLanes * v));
  if constexpr (kOut == DType::kI8) {
    int32x4_t q[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      q[v] = to_s9(y[v], t.offset ? vld1q_s32(t.offset + j + kLanes * v) : vdupq_n_s32(0));
    }
    const int8x16_t q8 = vcombine_s8(vqmovn_s16(narrow(q[0], q[1])), vqmovn_s16(narrow(q[2], q[3])));
    return vst1q_s8(static_cast<int8_t*>(t.out) + at, q8);
  }
  if (t.row_scale) {
    for (int v = 0; v < kVectors; ++v) y[v] = vmulq_f32(y[v], vdupq_n_f32(t.row_scale[i]));
  }
  if (t.bias_f32) {
    for (int v = 0; v < kVectors; ++v) y[v] = vaddq_f32(y[v], vld1q_f32(t.bias_f32 + j + kLanes * v));
  }
  for (int v = 0; v < kVectors; ++v) {
    if (kOut == DType::kF32) {
      vst1q_f32(static_cast<float*>(t.out) + at + kLanes * v, y[v]);
    } else {
      const uint16x4_t h = kOut == DType::kF16 ? vreinterpret_u16_f16(vcvt_f16_f32(y[v])) : to_bfloat16(y[v]);
      vst1_u16(static_cast<uint16_t*>(t.out) + at + kLanes * v, h);
    }
  }
}

// The first `count` elements; null stays null.
template <class T>
const T* copy(const T* from, int64_t count, T (&to)[kCols]) {
  if (from) std::memcpy(to, from, static_cast<size_t>(count) * sizeof(T));
  return from ? to : nullptr;
}

// The columns from j on of row i, fewer than sixteen.
template <DType kOut>
void tail(EpilogueTile t, int64_t i, int64_t j) {
  constexpr size_t kSize = dtype_size(kOut);
  const int64_t count = t.cols - j;
  int32_t c[kCols] = {}, bias_i32[kCols] = {}, offset[kCols] = {};
  float scale[kCols] = {}, bias_f32[kCols] = {};
  alignas(16) uint8_t out[kCols * kSize];
  EpilogueTile x;
  x.c = copy(t.c + i * t.ldc + j, count, c);
  x.bias_i32 = copy(t.bias_i32 ? t.bias_i32 + j : nullptr, count, bias_i32);
  x.scale = copy(t.scale ? t.scale + j : nullptr, count, scale);
  x.offset = copy(t.offset ? t.offset + j : nullptr, count, offset);
  x.row_scale = t.row_scale ? t.row_scale + i : nullptr;
  x.bias_f32 = copy(t.bias_f32 ? t.bias_f32 + j : nullptr, count, bias_f32);
  x.out = out;
  columns<kOut>(x, 0, 0);
  std::memcpy(static_cast<uint8_t*>(t.out) + static_cast<size_t>(i * t.ldo + j) * kSize, out,
              static_cast<size_t>(count) * kSize);
}

// The tile is passed by value: what is stored might otherwise change it, and each vector would read it anew.
template <DType kOut>
void rows(EpilogueTile t) {
  for (int64_t i = 0; i < t.rows; ++i) {
    int64_t j = 0;
    for (; j + kCols <= t.cols; j += kCols) columns<kOut>(t, i, j);
    if (j < t.cols) tail<kOut>(t, i, j);
  }
}

}  // namespace

void epilogue(const EpilogueTile& tile) noexcept {
  switch (tile.out_dtype) {
    case DType::kI8:
      return rows<DType::kI8>(tile);
    case DType::kI32:
      return rows<DType::kI32>(tile);
    case DType::kF16:
      return rows<DType::kF16>(tile);
    case DType::kBF16:
      return rows<DType::kBF16>(tile);
    default:
      return rows<DType::kF32>(tile);
  }
}

}  // namespace a8w8::neon_dot
