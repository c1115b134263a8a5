// The epilogue, eight columns at a time. Tails are masked loads and a store from a buffer around the same arithmetic.
#include <immintrin.h>

#include <cstring>

#include "kernels/avx2/kernels.h"

namespace a8w8::avx2 {
namespace {

constexpr int kLanes = 8;

__m256i first_lanes(int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

// Only the first `bytes` bytes are written.
[[gnu::always_inline]] inline void store(void* out, __m256i v, size_t bytes) {
  if (bytes == sizeof v) return _mm256_storeu_si256(static_cast<__m256i*>(out), v);
  std::memcpy(out, &v, bytes);
}
[[gnu::always_inline]] inline void store(void* out, __m128i v, size_t bytes) {
  if (bytes == sizeof v) return _mm_storeu_si128(static_cast<__m128i*>(out), v);
  std::memcpy(out, &v, bytes);
}

// rint to nine bits (the conversion rounds half to even), plus the offset, saturated to eight. The bounds are integers,
// so clamping before rounding is the same, and keeps the conversion in range.
__m128i to_s8(__m256 y, __m256i offset) {
  y = _mm256_and_ps(y, _mm256_cmp_ps(y, y, _CMP_ORD_Q));  // NaN gives 0
  y = _mm256_min_ps(_mm256_max_ps(y, _mm256_set1_ps(-256.0f)), _mm256_set1_ps(255.0f));
  const __m256i q = _mm256_add_epi32(_mm256_cvtps_epi32(y), offset);
  const __m128i q16 = _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
  return _mm_packs_epi16(q16, q16);
}

// The rule of float_to_bfloat16 in a8w8/half.h.
__m128i to_bfloat16(__m256 y) {
  const __m256i bits = _mm256_castps_si256(y);
  const __m256i high = _mm256_srli_epi32(bits, 16);
  const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
  const __m256i round = _mm256_add_epi32(_mm256_set1_epi32(0x7fff), odd);
  const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, round), 16);
  const __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(y, y, _CMP_UNORD_Q));
  const __m256i h = _mm256_blendv_epi8(rounded, quiet, is_nan);
  return _mm_packus_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
}

// Columns j .. j + count - 1 of row i, count <= 8.
template <DType kOut>
[[gnu::always_inline]] inline void columns(const EpilogueTile& t, int64_t i, int64_t j, int64_t count) {
  const __m256i mask = first_lanes(count);
  const size_t n = static_cast<size_t>(count);
  const int64_t at = i * t.ldo + j;
  __m256i c = _mm256_maskload_epi32(t.c + i * t.ldc + j, mask);
  if (t.bias_i32) c = _mm256_add_epi32(c, _mm256_maskload_epi32(t.bias_i32 + j, mask));
  if constexpr (kOut == DType::kI32) {
    store(static_cast<int32_t*>(t.out) + at, c, n * sizeof(int32_t));
    return;
  }
  __m256 y = _mm256_mul_ps(_mm256_cvtepi32_ps(c), _mm256_maskload_ps(t.scale + j, mask));
  if constexpr (kOut == DType::kI8) {
    const __m256i offset = t.offset ? _mm256_maskload_epi32(t.offset + j, mask) : _mm256_setzero_si256();
    const __m128i q = to_s8(y, offset);
    std::memcpy(static_cast<int8_t*>(t.out) + at, &q, n);
    return;
  }
  if (t.row_scale) y = _mm256_mul_ps(y, _mm256_set1_ps(t.row_scale[i]));
  if (t.bias_f32) y = _mm256_add_ps(y, _mm256_maskload_ps(t.bias_f32 + j, mask));
  if constexpr (kOut == DType::kF32) {
    store(static_cast<float*>(t.out) + at, _mm256_castps_si256(y), n * sizeof(float));
  } else {
    const __m128i h = kOut == DType::kF16 ? _mm256_cvtps_ph(y, _MM_FROUND_TO_NEAREST_INT) : to_bfloat16(y);
    store(static_cast<uint16_t*>(t.out) + at, h, n * sizeof(uint16_t));
  }
}

template <DType kOut>
void rows(const EpilogueTile& t) {
  for (int64_t i = 0; i < t.rows; ++i) {
    int64_t j = 0;
    for (; j + kLanes <= t.cols; j += kLanes) columns<kOut>(t, i, j, kLanes);
    if (j < t.cols) columns<kOut>(t, i, j, t.cols - j);
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

}  // namespace a8w8::avx2
