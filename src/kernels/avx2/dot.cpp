// Rows of a times rows of b, both as they lie. Both are widened to int16 (see gemm.cpp); the widening of a is shared by
// the rows of b that are in flight, the widening of b by the rows of a.
//
// M rows of a against R rows of b take M * R accumulators, R registers of b, one of a and one product: (1, 4) (2, 4)
// (3, 2) (4, 2) are 4 to 8 accumulators. With m = 1 a step reads 64 bytes of b in 13 operations, 3.25 cycles of four
// ports: 20 bytes a cycle, several times what one core gets from memory.
//
// [next-rows] The rows of b that come next are fetched into L2 meanwhile: the hardware starts each row anew and stops
// at page ends. On a Zen 3, one core, n = k = 4096 (b in L3), that is 27 instead of 21 GB/s at m = 1 and 13 instead of
// 10 at m = 4.
#include <immintrin.h>

#include <cstring>

#include "kernels/avx2/kernels.h"

namespace a8w8::avx2 {
namespace {

constexpr int kStep = 16;  // elements of k in one register of int16
constexpr int kLine = 64;  // bytes of a cache line

[[gnu::always_inline]] inline __m256i load(const int8_t* x) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
}

[[gnu::always_inline]] inline __m256i load_tail(const int8_t* x, int64_t count) {
  alignas(16) int8_t bytes[kStep] = {};
  std::memcpy(bytes, x, static_cast<size_t>(count));
  return load(bytes);
}

// Element r of the result is the sum of the eight lanes of v[r].
[[gnu::always_inline]] inline __m128i sums(__m256i v0, __m256i v1, __m256i v2, __m256i v3) {
  const __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(v0, v1), _mm256_hadd_epi32(v2, v3));
  return _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
}

// R columns of c from `cols` <= R rows of b; the missing rows repeat the last one and are not stored. The rows `ahead`
// bytes further are needed next.
template <int M, int R>
[[gnu::always_inline]] inline void columns(int64_t cols, int64_t k, const int8_t* a, int64_t lda, const int8_t* b,
                                           int64_t ldb, int64_t ahead, int32_t* c, int64_t ldc) {
  const int8_t* rows[R];
  for (int r = 0; r < R; ++r) rows[r] = b + (r < cols ? r : cols - 1) * ldb;
  __m256i acc[M][4];
#pragma GCC unroll 4
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) acc[i][r] = _mm256_setzero_si256();
  }
  auto step = [&](auto load_step) __attribute__((always_inline)) {
    __m256i b16[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) b16[r] = load_step(rows[r]);
#pragma GCC unroll 4
    for (int i = 0; i < M; ++i) {
      const __m256i a16 = load_step(a + i * lda);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) acc[i][r] = _mm256_add_epi32(acc[i][r], _mm256_madd_epi16(a16, b16[r]));
    }
  };
  // The odd parts of k come first: with nothing but the loop before the sums, GCC keeps one copy of the accumulators.
  int64_t p = k % kStep;
  if (p) step([p](const int8_t* x) { return load_tail(x, p); });
  for (; (k - p) % kLine; p += kStep) step([p](const int8_t* x) { return load(x + p); });
  for (; p < k; p += kLine) {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) _mm_prefetch(reinterpret_cast<const char*>(rows[r] + ahead + p), _MM_HINT_T1);
#pragma GCC unroll 1  // sixteen registers do not hold more than one step
    for (int64_t q = p; q < p + kLine; q += kStep) step([q](const int8_t* x) { return load(x + q); });
  }
#pragma GCC unroll 4
  for (int i = 0; i < M; ++i) {
    alignas(16) int32_t c4[4];
    _mm_store_si128(reinterpret_cast<__m128i*>(c4), sums(acc[i][0], acc[i][1], acc[i][2], acc[i][3]));
    std::memcpy(c + i * ldc, c4, static_cast<size_t>(cols) * sizeof(int32_t));
  }
}

template <int M, int R>
void rows(int64_t n, int64_t k, const int8_t* a, int64_t lda, const int8_t* b, int64_t ldb, int32_t* c, int64_t ldc) {
  for (int64_t j = 0; j < n; j += R) {
    const int64_t ahead = j + 2 * R <= n ? R * ldb : 0;
    columns<M, R>(n - j < R ? n - j : R, k, a, lda, b + j * ldb, ldb, ahead, c + j, ldc);
  }
}

}  // namespace

void dot(int64_t m, int64_t n, int64_t k, const int8_t* a, int64_t lda, const int8_t* b, int64_t ldb, int32_t* c,
         int64_t ldc) noexcept {
  static_assert(kDotMaxM == 4);
  switch (m) {
    case 1:
      return rows<1, 4>(n, k, a, lda, b, ldb, c, ldc);
    case 2:
      return rows<2, 4>(n, k, a, lda, b, ldb, c, ldc);
    case 3:
      return rows<3, 2>(n, k, a, lda, b, ldb, c, ldc);
    default:
      return rows<4, 2>(n, k, a, lda, b, ldb, c, ldc);
  }
}

}  // namespace a8w8::avx2
