// Rows of a times rows of b, both as they lie. b becomes the unsigned operand of vpdpbusd by b ^ 0x80 = b + 128 in each
// byte; what that adds, 128 * sum_k a(i,k), is computed once a call and subtracted (as in [s8s8-compensation],
// kernels/gemm_kernel.h).
//
// Four rows of b are in flight: M * 4 accumulators, at most 16, each used once a step, so that with m = 1 a step of 256
// bytes takes the latency of vpdpbusd, 5 cycles: 51 bytes a cycle, as much as L2 and far more than memory delivers. The
// four that come next are fetched into L2 meanwhile, see [next-rows] in kernels/avx2/dot.cpp.
#include <immintrin.h>

#include "kernels/avx512_vnni/kernels.h"

namespace a8w8::avx512_vnni {
namespace {

constexpr int kStep = 64;  // elements of k in one register
constexpr int kRows = 4;   // of b in flight

// The first `count` of 64 bytes, then zeros.
__mmask64 first_bytes(int64_t count) { return ~uint64_t{0} >> (kStep - count); }

[[gnu::always_inline]] inline __m128i quarter_sums(__m512i v) {
  const __m256i s = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
}

// Element r of the result is the sum of the sixteen lanes of v[r].
[[gnu::always_inline]] inline __m128i sums(const __m512i (&v)[kRows]) {
  return _mm_hadd_epi32(_mm_hadd_epi32(quarter_sums(v[0]), quarter_sums(v[1])),
                        _mm_hadd_epi32(quarter_sums(v[2]), quarter_sums(v[3])));
}

// 128 * sum_k a(k)
int32_t compensation(int64_t k, const int8_t* a) {
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i acc[kRows] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
  int64_t p = 0;
  for (; p + kStep <= k; p += kStep) acc[0] = _mm512_dpbusd_epi32(acc[0], ones, _mm512_loadu_si512(a + p));
  if (p < k) acc[0] = _mm512_dpbusd_epi32(acc[0], ones, _mm512_maskz_loadu_epi8(first_bytes(k - p), a + p));
  return _mm_cvtsi128_si32(_mm_slli_epi32(sums(acc), 7));
}

// Four columns of c from `cols` <= 4 rows of b; the missing rows repeat the last one and are not stored. The rows
// `ahead` bytes further are needed next.
template <int M>
[[gnu::always_inline]] inline void columns(int64_t cols, int64_t k, const int8_t* a, int64_t lda, const int8_t* b,
                                           int64_t ldb, int64_t ahead, const int32_t* comp, int32_t* c, int64_t ldc) {
  const int8_t* rows[kRows];
  for (int r = 0; r < kRows; ++r) rows[r] = b + (r < cols ? r : cols - 1) * ldb;
  __m512i acc[M][kRows];
#pragma GCC unroll 4
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) acc[i][r] = _mm512_setzero_si512();
  }
  auto step = [&](auto load) __attribute__((always_inline)) {
    __m512i b4[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) b4[r] = _mm512_xor_si512(load(rows[r]), _mm512_set1_epi8(-128));
#pragma GCC unroll 4
    for (int i = 0; i < M; ++i) {
      const __m512i a4 = load(a + i * lda);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) acc[i][r] = _mm512_dpbusd_epi32(acc[i][r], b4[r], a4);
    }
  };
  // The odd part of k comes first: with nothing but the loop before the sums, GCC keeps one copy of the accumulators.
  const int64_t odd = k % kStep;
  if (odd) {
    const __mmask64 mask = first_bytes(odd);
    step([mask](const int8_t* x) { return _mm512_maskz_loadu_epi8(mask, x); });
  }
  for (int64_t p = odd; p < k; p += kStep) {
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) _mm_prefetch(reinterpret_cast<const char*>(rows[r] + ahead + p), _MM_HINT_T1);
    step([p](const int8_t* x) { return _mm512_loadu_si512(x + p); });
  }
  const __mmask8 stored = static_cast<__mmask8>((1 << cols) - 1);
#pragma GCC unroll 4
  for (int i = 0; i < M; ++i) {
    _mm_mask_storeu_epi32(c + i * ldc, stored, _mm_sub_epi32(sums(acc[i]), _mm_set1_epi32(comp[i])));
  }
}

template <int M>
void rows(int64_t n, int64_t k, const int8_t* a, int64_t lda, const int8_t* b, int64_t ldb, int32_t* c, int64_t ldc) {
  int32_t comp[M];
  for (int i = 0; i < M; ++i) comp[i] = compensation(k, a + i * lda);
  for (int64_t j = 0; j < n; j += kRows) {
    const int64_t ahead = j + 2 * kRows <= n ? kRows * ldb : 0;
    columns<M>(n - j < kRows ? n - j : kRows, k, a, lda, b + j * ldb, ldb, ahead, comp, c + j, ldc);
  }
}

}  // namespace

void dot(int64_t m, int64_t n, int64_t k, const int8_t* a, int64_t lda, const int8_t* b, int64_t ldb, int32_t* c,
         int64_t ldc) noexcept {
  static_assert(kDotMaxM == 4);
  switch (m) {
    case 1:
      return rows<1>(n, k, a, lda, b, ldb, c, ldc);
    case 2:
      return rows<2>(n, k, a, lda, b, ldb, c, ldc);
    case 3:
      return rows<3>(n, k, a, lda, b, ldb, c, ldc);
    default:
      return rows<4>(n, k, a, lda, b, ldb, c, ldc);
  }
}

}  // namespace a8w8::avx512_vnni
