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

// The rule of float_to_bfloat16 in a8w8/half.h, but for NaN, in the low half of each lane.
[[gnu::always_inline]] inline __m256i rounded_to_bfloat16(__m256 y) {
  const __m256i bits = _mm256_castps_si256(y);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i round = _mm256_add_epi32(_mm256_set1_epi32(0x7fff), odd);
  return _mm256_srli_epi32(_mm256_add_epi32(bits, round), 16);
}

[[gnu::always_inline]] inline __m256i quieted(__m256 y, __m256i rounded) {
  const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(_mm256_castps_si256(y), 16), _mm256_set1_epi32(0x40));
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(y, y, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(rounded, quiet, is_nan);
}

// Sixteen at once: NaN is rare, and one look tells of all.
[[gnu::always_inline]] inline __m256i to_bfloat16(__m256 y0, __m256 y1) {
  __m256i h0 = rounded_to_bfloat16(y0), h1 = rounded_to_bfloat16(y1);
  if (_mm256_movemask_ps(_mm256_cmp_ps(y0, y1, _CMP_UNORD_Q))) [[unlikely]] {
    h0 = quieted(y0, h0), h1 = quieted(y1, h1);
  }
  return _mm256_permute4x64_epi64(_mm256_packus_epi32(h0, h1), _MM_SHUFFLE(3, 1, 2, 0));
}

[[gnu::always_inline]] inline __m256i load(const int32_t* x, int64_t count, __m256i mask) {
  return count == kLanes ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)) : _mm256_maskload_epi32(x, mask);
}
[[gnu::always_inline]] inline __m256 load(const float* x, int64_t count, __m256i mask) {
  return count == kLanes ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, mask);
}

[[gnu::always_inline]] inline __m256i biased_sums(const EpilogueTile& t, int64_t i, int64_t j, int64_t count) {
  const __m256i mask = first_lanes(count);
  const __m256i c = load(t.c + i * t.ldc + j, count, mask);
  return t.bias_i32 ? _mm256_add_epi32(c, load(t.bias_i32 + j, count, mask)) : c;
}

// What a floating output is rounded from.
[[gnu::always_inline]] inline __m256 floats(const EpilogueTile& t, int64_t i, int64_t j, int64_t count) {
  const __m256i mask = first_lanes(count);
  __m256 y = _mm256_mul_ps(_mm256_cvtepi32_ps(biased_sums(t, i, j, count)), load(t.scale + j, count, mask));
  if (t.row_scale) y = _mm256_mul_ps(y, _mm256_set1_ps(t.row_scale[i]));
  if (t.bias_f32) y = _mm256_add_ps(y, load(t.bias_f32 + j, count, mask));
  return y;
}

// Columns j .. j + count - 1 of row i, count <= 8.
template <DType kOut>
[[gnu::always_inline]] inline void columns(const EpilogueTile& t, int64_t i, int64_t j, int64_t count) {
  const size_t n = static_cast<size_t>(count);
  const int64_t at = i * t.ldo + j;
  if constexpr (kOut == DType::kI32) {
    store(static_cast<int32_t*>(t.out) + at, biased_sums(t, i, j, count), n * sizeof(int32_t));
  } else if constexpr (kOut == DType::kI8) {
    const __m256i mask = first_lanes(count);
    const __m256 y = _mm256_mul_ps(_mm256_cvtepi32_ps(biased_sums(t, i, j, count)), load(t.scale + j, count, mask));
    const __m128i q = to_s8(y, t.offset ? load(t.offset + j, count, mask) : _mm256_setzero_si256());
    std::memcpy(static_cast<int8_t*>(t.out) + at, &q, n);
  } else if constexpr (kOut == DType::kF32) {
    store(static_cast<float*>(t.out) + at, _mm256_castps_si256(floats(t, i, j, count)), n * sizeof(float));
  } else {
    const __m256 y = floats(t, i, j, count);
    const __m128i h =
        kOut == DType::kF16 ? _mm256_cvtps_ph(y, _MM_FROUND_TO_NEAREST_INT) : _mm256_castsi256_si128(to_bfloat16(y, y));
    store(static_cast<uint16_t*>(t.out) + at, h, n * sizeof(uint16_t));
  }
}

template <DType kOut>
void rows(EpilogueTile t) {  // a copy: what is stored cannot be a field of it
  for (int64_t i = 0; i < t.rows; ++i) {
    int64_t j = 0;
    if constexpr (kOut == DType::kBF16) {
      uint16_t* const out = static_cast<uint16_t*>(t.out) + i * t.ldo;
      for (; j + 2 * kLanes <= t.cols; j += 2 * kLanes) {
        store(out + j, to_bfloat16(floats(t, i, j, kLanes), floats(t, i, j + kLanes, kLanes)),
              2 * kLanes * sizeof *out);
      }
    }
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
