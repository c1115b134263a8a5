// The epilogue, sixteen columns at a time; a tail is a mask on the loads and the store.
#include <immintrin.h>

#include "kernels/avx512_vnni/kernels.h"

namespace a8w8::avx512_vnni {
namespace {

constexpr int kLanes = 16;

// rint to nine bits (the conversion rounds half to even), plus the offset, saturated to eight. The bounds are integers,
// so clamping before rounding is the same, and keeps the conversion in range.
__m128i to_s8(__m512 y, __m512i offset) {
  y = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, y, _CMP_ORD_Q), y);  // NaN gives 0
  y = _mm512_min_ps(_mm512_max_ps(y, _mm512_set1_ps(-256.0f)), _mm512_set1_ps(255.0f));
  return _mm512_cvtsepi32_epi8(_mm512_add_epi32(_mm512_cvtps_epi32(y), offset));
}

// The rule of float_to_bfloat16 in a8w8/half.h.
__m256i to_bfloat16(__m512 y) {
  const __m512i bits = _mm512_castps_si512(y);
  const __m512i high = _mm512_srli_epi32(bits, 16);
  const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
  const __m512i round = _mm512_add_epi32(_mm512_set1_epi32(0x7fff), odd);
  const __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, round), 16);
  const __m512i quiet = _mm512_or_si512(high, _mm512_set1_epi32(0x40));
  return _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(y, y, _CMP_UNORD_Q), quiet));
}

// The columns from j on of row i that `mask` has.
template <DType kOut>
[[gnu::always_inline]] inline void columns(const EpilogueTile& t, int64_t i, int64_t j, __mmask16 mask) {
  const int64_t at = i * t.ldo + j;
  __m512i c = _mm512_maskz_loadu_epi32(mask, t.c + i * t.ldc + j);
  if (t.bias_i32) c = _mm512_add_epi32(c, _mm512_maskz_loadu_epi32(mask, t.bias_i32 + j));
  if constexpr (kOut == DType::kI32) {
    _mm512_mask_storeu_epi32(static_cast<int32_t*>(t.out) + at, mask, c);
    return;
  }
  __m512 y = _mm512_mul_ps(_mm512_cvtepi32_ps(c), _mm512_maskz_loadu_ps(mask, t.scale + j));
  if constexpr (kOut == DType::kI8) {
    const __m512i offset = t.offset ? _mm512_maskz_loadu_epi32(mask, t.offset + j) : _mm512_setzero_si512();
    _mm_mask_storeu_epi8(static_cast<int8_t*>(t.out) + at, mask, to_s8(y, offset));
    return;
  }
  if (t.row_scale) y = _mm512_mul_ps(y, _mm512_set1_ps(t.row_scale[i]));
  if (t.bias_f32) y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(mask, t.bias_f32 + j));
  if constexpr (kOut == DType::kF32) {
    _mm512_mask_storeu_ps(static_cast<float*>(t.out) + at, mask, y);
  } else {
    const __m256i h = kOut == DType::kF16 ? _mm512_cvtps_ph(y, _MM_FROUND_TO_NEAREST_INT) : to_bfloat16(y);
    _mm256_mask_storeu_epi16(static_cast<uint16_t*>(t.out) + at, mask, h);
  }
}

template <DType kOut>
void rows(const EpilogueTile& t) {
  const __mmask16 tail = static_cast<__mmask16>((1u << (t.cols % kLanes)) - 1);
  for (int64_t i = 0; i < t.rows; ++i) {
    int64_t j = 0;
    for (; j + kLanes <= t.cols; j += kLanes) columns<kOut>(t, i, j, 0xffff);
    if (tail) columns<kOut>(t, i, j, tail);
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

}  // namespace a8w8::avx512_vnni
