// The quantizers, sixteen elements at a time; a tail is a mask on the loads and the store.
#include <immintrin.h>

#include <cstring>

#include "kernels/avx512_vnni/kernels.h"

namespace a8w8::avx512_vnni {
namespace {

constexpr int kLanes = 16;

// Elements from j on that `mask` has, widened to float32; zero elsewhere.
[[gnu::always_inline]] inline __m512 load(const void* x, DType dtype, int64_t j, __mmask16 mask) {
  if (dtype == DType::kF32) return _mm512_maskz_loadu_ps(mask, static_cast<const float*>(x) + j);
  const __m256i h = _mm256_maskz_loadu_epi16(mask, static_cast<const uint16_t*>(x) + j);
  if (dtype == DType::kF16) return _mm512_cvtph_ps(h);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

// The bounds are integers, so clamping before rounding is the same, and keeps the conversion (half to even) in range.
[[gnu::always_inline]] inline void store_rounded(__m512 y, __m512 lo, __m512 hi, int8_t* out, __mmask16 mask) {
  y = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, y, _CMP_ORD_Q), y);  // NaN gives 0
  y = _mm512_min_ps(_mm512_max_ps(y, lo), hi);
  _mm_mask_storeu_epi8(out, mask, _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(y)));
}

// Calls body(j, mask) for each vector; only the last one may be partial.
template <class Body>
[[gnu::always_inline]] inline void for_each_vector(int64_t n, Body body) {
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) body(j, __mmask16{0xffff});
  if (j < n) body(j, static_cast<__mmask16>((1u << (n - j)) - 1));
}

[[gnu::always_inline]] inline __m512 smoothed(const DynamicQuantRow& row, int64_t j, __mmask16 mask) {
  const __m512 x = load(row.x, row.x_dtype, j, mask);
  return row.smooth ? _mm512_mul_ps(x, _mm512_maskz_loadu_ps(mask, row.smooth + j)) : x;
}

int32_t max_lane(__m512i v) {
  const __m256i half = _mm256_max_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, _MM_SHUFFLE(1, 0, 3, 2)));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, _MM_SHUFFLE(2, 3, 0, 1)));
  return _mm_cvtsi128_si32(m);
}

}  // namespace

void quantize_row(const QuantizeRow& row) noexcept {
  __m512 scale = _mm512_set1_ps(row.n ? row.scale[0] : 1.0f);
  __m512 zero_point = _mm512_set1_ps(row.n && row.zero_point ? row.zero_point[0] : 0.0f);
  for_each_vector(row.n, [&](int64_t j, __mmask16 mask) {
    if (row.per_element) scale = _mm512_maskz_loadu_ps(mask, row.scale + j);
    if (row.per_element && row.zero_point) zero_point = _mm512_maskz_loadu_ps(mask, row.zero_point + j);
    const __m512 x = load(row.x, row.x_dtype, j, mask);
    __m512 y = row.divide ? _mm512_div_ps(x, scale) : _mm512_mul_ps(x, scale);
    if (row.zero_point) y = _mm512_add_ps(y, zero_point);
    store_rounded(y, _mm512_set1_ps(row.lo), _mm512_set1_ps(row.hi), row.out + j, mask);
  });
}

// Magnitudes are compared as integers: the order is the same, and a NaN is above infinity and so is not lost.
float dynamic_quant_row(const DynamicQuantRow& row) noexcept {
  __m512i max_bits = _mm512_setzero_si512();
  for_each_vector(row.n, [&](int64_t j, __mmask16 mask) {
    const __m512i bits = _mm512_castps_si512(smoothed(row, j, mask));
    max_bits = _mm512_max_epi32(max_bits, _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff)));
  });
  int32_t bits = max_lane(max_bits);
  if (bits > 0x7f800000) bits = 0x7fc00000;  // one NaN, whichever NaN was met
  float max_abs;
  std::memcpy(&max_abs, &bits, sizeof max_abs);
  const float scale = max_abs / row.max;
  for_each_vector(row.n, [&](int64_t j, __mmask16 mask) {
    const __m512 y = _mm512_div_ps(smoothed(row, j, mask), _mm512_set1_ps(scale));
    store_rounded(y, _mm512_set1_ps(-row.max - 1.0f), _mm512_set1_ps(row.max), row.out + j, mask);
  });
  return scale;
}

}  // namespace a8w8::avx512_vnni
