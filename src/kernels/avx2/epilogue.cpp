// The epilogue, sixteen columns at a time: what they have in common for all rows is loaded once. Tails are masked loads
// and a store from a buffer around the same arithmetic.
#include <immintrin.h>

#include <cstring>
#include <type_traits>

#include "kernels/avx2/kernels.h"

namespace a8w8::avx2 {
namespace {

constexpr int kCols = 16;  // two registers

struct Mask {
  explicit Mask(int64_t count) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for (int v = 0; v < 2; ++v) lanes[v] = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count) - 8 * v), lane);
  }
  __m256i lanes[2];
};

// Columns 8v .. 8v + 7 of those at x; of a tail (kFull false) the ones that are there, and zeros.
template <bool kFull>
[[gnu::always_inline]] inline __m256i load(const int32_t* x, int v, const Mask& mask) {
  if constexpr (kFull) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + 8 * v));
  return _mm256_maskload_epi32(x + 8 * v, mask.lanes[v]);
}
template <bool kFull>
[[gnu::always_inline]] inline __m256 load(const float* x, int v, const Mask& mask) {
  if constexpr (kFull) return _mm256_loadu_ps(x + 8 * v);
  return _mm256_maskload_ps(x + 8 * v, mask.lanes[v]);
}

// rint to nine bits (the conversion rounds half to even). The bounds are integers, so clamping before rounding is the
// same, and keeps the conversion in range.
[[gnu::always_inline]] inline __m256i to_s9(__m256 y) {
  y = _mm256_and_ps(y, _mm256_cmp_ps(y, y, _CMP_ORD_Q));  // NaN gives 0
  return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(y, _mm256_set1_ps(-256.0f)), _mm256_set1_ps(255.0f)));
}

[[gnu::always_inline]] inline void store_s8(__m256i q0, __m256i q1, void* out) {
  const __m256i q16 = _mm256_packs_epi32(q0, q1);  // in each half four of q0, then four of q1
  const __m256i q8 = _mm256_packs_epi16(q16, q16);
  const __m128i q = _mm_unpacklo_epi32(_mm256_castsi256_si128(q8), _mm256_extracti128_si256(q8, 1));
  _mm_storeu_si128(static_cast<__m128i*>(out), q);
}

// The rule of float_to_bfloat16 in a8w8/half.h, results in the upper halves.
[[gnu::always_inline]] inline __m256i rounded_bfloat16(__m256 y) {
  const __m256i bits = _mm256_castps_si256(y);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  return _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
}
[[gnu::always_inline]] inline __m256i quiet_nan(__m256 y, __m256i rounded) {
  const __m256i quiet = _mm256_or_si256(_mm256_castps_si256(y), _mm256_set1_epi32(0x400000));
  return _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(_mm256_cmp_ps(y, y, _CMP_UNORD_Q)));
}

[[gnu::always_inline]] inline void store_bfloat16(__m256 y0, __m256 y1, void* out) {
  __m256i h0 = rounded_bfloat16(y0), h1 = rounded_bfloat16(y1);
  if (_mm256_movemask_ps(_mm256_cmp_ps(y0, y1, _CMP_UNORD_Q))) [[unlikely]] {  // one comparison for both
    h0 = quiet_nan(y0, h0), h1 = quiet_nan(y1, h1);
  }
  const __m256i h = _mm256_packus_epi32(_mm256_srli_epi32(h0, 16), _mm256_srli_epi32(h1, 16));
  _mm256_storeu_si256(static_cast<__m256i*>(out), _mm256_permute4x64_epi64(h, _MM_SHUFFLE(3, 1, 2, 0)));
}

[[gnu::always_inline]] inline void store_float16(__m256 y0, __m256 y1, void* out) {
  __m128i* const to = static_cast<__m128i*>(out);
  _mm_storeu_si128(to, _mm256_cvtps_ph(y0, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128(to + 1, _mm256_cvtps_ph(y1, _MM_FROUND_TO_NEAREST_INT));
}

template <DType kOut>
using Element = std::conditional_t<kOut == DType::kI8, int8_t,
                                   std::conditional_t<kOut == DType::kF16 || kOut == DType::kBF16, uint16_t, int32_t>>;

// Columns j .. j + count - 1 of all rows, count <= 16. In place of operands that are absent stand numbers that change
// nothing: whatever y is, y * 1 and y + -0 are y. That is cheaper than asking for each row.
template <DType kOut, bool kFull>
[[gnu::always_inline]] inline void columns(const EpilogueTile& t, int64_t j, int64_t count) {
  constexpr bool kFloat = kOut == DType::kF32 || kOut == DType::kF16 || kOut == DType::kBF16;
  const Mask mask(count);
  __m256i bias_i32[2], offset[2];
  __m256 scale[2], bias_f32[2];
#pragma GCC unroll 2
  for (int v = 0; v < 2; ++v) {
    bias_i32[v] = t.bias_i32 ? load<kFull>(t.bias_i32 + j, v, mask) : _mm256_setzero_si256();
    offset[v] = kOut == DType::kI8 && t.offset ? load<kFull>(t.offset + j, v, mask) : _mm256_setzero_si256();
    scale[v] = kOut != DType::kI32 ? load<kFull>(t.scale + j, v, mask) : _mm256_setzero_ps();
    bias_f32[v] = kFloat && t.bias_f32 ? load<kFull>(t.bias_f32 + j, v, mask) : _mm256_set1_ps(-0.0f);
  }
  const float* const row_scale = kFloat ? t.row_scale : nullptr;
  const int32_t* c = t.c + j;
  Element<kOut>* out = static_cast<Element<kOut>*>(t.out) + j;
  const int64_t rows = t.rows, ldc = t.ldc, ldo = t.ldo;
  for (int64_t i = 0; i < rows; ++i, c += ldc, out += ldo) {
    alignas(32) Element<kOut> buffer[kCols];
    Element<kOut>* const to = kFull ? out : buffer;
    const __m256 by_row = _mm256_set1_ps(row_scale ? row_scale[i] : 1.0f);
    __m256i sum[2];
    __m256 y[2];
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      sum[v] = _mm256_add_epi32(load<kFull>(c, v, mask), bias_i32[v]);
      y[v] = _mm256_mul_ps(_mm256_cvtepi32_ps(sum[v]), scale[v]);
      if constexpr (kFloat) y[v] = _mm256_add_ps(_mm256_mul_ps(y[v], by_row), bias_f32[v]);
    }
    if constexpr (kOut == DType::kI8) {
      store_s8(_mm256_add_epi32(to_s9(y[0]), offset[0]), _mm256_add_epi32(to_s9(y[1]), offset[1]), to);
    } else if constexpr (kOut == DType::kBF16) {
      store_bfloat16(y[0], y[1], to);
    } else if constexpr (kOut == DType::kF16) {
      store_float16(y[0], y[1], to);
    } else {
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        const __m256i bits = kOut == DType::kI32 ? sum[v] : _mm256_castps_si256(y[v]);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 8 * v), bits);
      }
    }
    if constexpr (!kFull) std::memcpy(out, buffer, static_cast<size_t>(count) * sizeof *out);
  }
}

template <DType kOut>
void tile_of(const EpilogueTile& t) {
  int64_t j = 0;
  for (; j + kCols <= t.cols; j += kCols) columns<kOut, true>(t, j, kCols);
  if (j < t.cols) columns<kOut, false>(t, j, t.cols - j);
}

}  // namespace

void epilogue(const EpilogueTile& tile) noexcept {
  switch (tile.out_dtype) {
    case DType::kI8:
      return tile_of<DType::kI8>(tile);
    case DType::kI32:
      return tile_of<DType::kI32>(tile);
    case DType::kF16:
      return tile_of<DType::kF16>(tile);
    case DType::kBF16:
      return tile_of<DType::kBF16>(tile);
    default:
      return tile_of<DType::kF32>(tile);
  }
}

}  // namespace a8w8::avx2
