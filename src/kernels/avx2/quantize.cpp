// The quantizers, eight elements at a time. Tails are bounded loads and stores around the same arithmetic.
#include <immintrin.h>

#include <cstring>

#include "kernels/avx2/kernels.h"

namespace a8w8::avx2 {
namespace {

constexpr int kLanes = 8;

// Elements j .. j + count - 1 widened to float32; zero beyond.
[[gnu::always_inline]] inline __m256 load(const float* x, int64_t count) {
  if (count == kLanes) return _mm256_loadu_ps(x);
  alignas(32) float values[kLanes] = {};
  std::memcpy(values, x, static_cast<size_t>(count) * sizeof(float));
  return _mm256_load_ps(values);
}

[[gnu::always_inline]] inline __m256 load(const void* x, DType dtype, int64_t j, int64_t count) {
  if (dtype == DType::kF32) return load(static_cast<const float*>(x) + j, count);
  const uint16_t* x16 = static_cast<const uint16_t*>(x) + j;
  __m128i h = _mm_setzero_si128();
  if (count == kLanes) {
    h = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x16));
  } else {
    std::memcpy(&h, x16, static_cast<size_t>(count) * sizeof(uint16_t));
  }
  if (dtype == DType::kF16) return _mm256_cvtph_ps(h);
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

// The bounds are integers, so clamping before rounding is the same, and keeps the conversion (half to even) in range.
[[gnu::always_inline]] inline void store_rounded(__m256 y, __m256 lo, __m256 hi, int8_t* out, int64_t count) {
  y = _mm256_and_ps(y, _mm256_cmp_ps(y, y, _CMP_ORD_Q));  // NaN gives 0
  y = _mm256_min_ps(_mm256_max_ps(y, lo), hi);
  const __m256i q = _mm256_cvtps_epi32(y);
  const __m128i q16 = _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
  const __m128i q8 = _mm_packs_epi16(q16, q16);
  if (count == kLanes) return _mm_storel_epi64(reinterpret_cast<__m128i*>(out), q8);
  std::memcpy(out, &q8, static_cast<size_t>(count));
}

// Calls body(j, 8) for each full vector and body(j, n - j) for the rest.
template <class Body>
[[gnu::always_inline]] inline void for_each_vector(int64_t n, Body body) {
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) body(j, int64_t{kLanes});
  if (j < n) body(j, n - j);
}

[[gnu::always_inline]] inline __m256 smoothed(const DynamicQuantRow& row, int64_t j, int64_t count) {
  const __m256 x = load(row.x, row.x_dtype, j, count);
  return row.smooth ? _mm256_mul_ps(x, load(row.smooth + j, count)) : x;
}

int32_t max_lane(__m256i v) {
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, _MM_SHUFFLE(1, 0, 3, 2)));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, _MM_SHUFFLE(2, 3, 0, 1)));
  return _mm_cvtsi128_si32(m);
}

}  // namespace

void quantize_row(const QuantizeRow& row) noexcept {
  __m256 scale = _mm256_set1_ps(row.n ? row.scale[0] : 1.0f);
  __m256 zero_point = _mm256_set1_ps(row.n && row.zero_point ? row.zero_point[0] : 0.0f);
  for_each_vector(row.n, [&](int64_t j, int64_t count) {
    if (row.per_element) scale = load(row.scale + j, count);
    if (row.per_element && row.zero_point) zero_point = load(row.zero_point + j, count);
    const __m256 x = load(row.x, row.x_dtype, j, count);
    __m256 y = row.divide ? _mm256_div_ps(x, scale) : _mm256_mul_ps(x, scale);
    if (row.zero_point) y = _mm256_add_ps(y, zero_point);
    store_rounded(y, _mm256_set1_ps(row.lo), _mm256_set1_ps(row.hi), row.out + j, count);
  });
}

// Magnitudes are compared as integers: the order is the same, and a NaN is above infinity and so is not lost.
float dynamic_quant_row(const DynamicQuantRow& row) noexcept {
  __m256i max_bits = _mm256_setzero_si256();
  for_each_vector(row.n, [&](int64_t j, int64_t count) {
    const __m256i bits = _mm256_castps_si256(smoothed(row, j, count));
    max_bits = _mm256_max_epi32(max_bits, _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff)));
  });
  int32_t bits = max_lane(max_bits);
  if (bits > 0x7f800000) bits = 0x7fc00000;  // one NaN, whichever NaN was met
  float max_abs;
  std::memcpy(&max_abs, &bits, sizeof max_abs);
  const float scale = max_abs / row.max;
  for_each_vector(row.n, [&](int64_t j, int64_t count) {
    const __m256 y = _mm256_div_ps(smoothed(row, j, count), _mm256_set1_ps(scale));
    store_rounded(y, _mm256_set1_ps(-row.max - 1.0f), _mm256_set1_ps(row.max), row.out + j, count);
  });
  return scale;
}

}  // namespace a8w8::avx2
