// What the dot kernels of this folder share. Everything has internal linkage: a copy compiled with this folder's flags
// must not serve another one.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace a8w8::avx512_vnni {
namespace {

// A few rows of a against a few of b.
struct Pass {
  const int8_t* a;  // the first of the rows in their panel
  int64_t a_step;   // from one block of k to the next
  const int32_t* init;
  int64_t bytes;    // of a row of b
  const int8_t* b;  // `cols` rows; the missing ones repeat the last one and are not stored
  int64_t ldb, cols;
  int64_t ahead;  // so many bytes further are the rows that are needed next
  int32_t* c;
  int64_t ldc;
};
using PassFn = void(const Pass& x);

constexpr int kStep = 64;         // bytes of b in one register
constexpr int64_t kAhead = 1024;  // see [dot-prefetch] in dot.cpp
constexpr int kGroup = 4;         // columns whose sums are made at once

constexpr int whole_groups(int cols) { return (cols + kGroup - 1) / kGroup * kGroup; }

// Which bytes of the register at p are within a row of b.
[[gnu::always_inline]] inline __mmask64 bytes_left(const Pass& x, int64_t p) {
  return x.bytes - p < kStep ? ~uint64_t{0} >> (kStep - (x.bytes - p)) : ~uint64_t{0};
}

// The register at p of a row of b; what comes next is asked for, see [dot-prefetch] in dot.cpp.
[[gnu::always_inline]] inline __m512i load_b(const Pass& x, const int8_t* row, int64_t p, __mmask64 mask) {
  const int64_t further = p + kAhead, soon = further < x.bytes ? further : further - x.bytes + x.ahead;
  _mm_prefetch(reinterpret_cast<const char*>(row + soon), _MM_HINT_T0);
  _mm_prefetch(reinterpret_cast<const char*>(row + 2 * x.ahead + p), _MM_HINT_T1);
  return _mm512_maskz_loadu_epi8(mask, row + p);
}

// Element r of the result is the sum of the sixteen lanes of v[r], r < 4.
[[gnu::always_inline]] inline __m128i sums(const __m512i* v) {
  const __m512i v01 = _mm512_add_epi32(_mm512_unpacklo_epi32(v[0], v[1]), _mm512_unpackhi_epi32(v[0], v[1]));
  const __m512i v23 = _mm512_add_epi32(_mm512_unpacklo_epi32(v[2], v[3]), _mm512_unpackhi_epi32(v[2], v[3]));
  const __m512i s = _mm512_add_epi32(_mm512_unpacklo_epi64(v01, v23), _mm512_unpackhi_epi64(v01, v23));
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(s), _mm512_extracti64x4_epi64(s, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

// Ends the life of one register and begins another's. Without it, GCC 12 arranges the accumulators for the additions
// after the loop and keeps some of them in memory within it (75 moves in the code for six rows).
[[gnu::always_inline]] inline void settle(__m512i& v) {
#if defined(__AVX512F__)  // not where the tests emulate it
  __asm__("" : "+v"(v));
#else
  (void)v;
#endif
}

// M rows of sums to c, of `kCols` columns in whole groups.
template <int M, int kCols>
[[gnu::always_inline]] inline void store_sums(const Pass& x, __m512i (&acc)[M][whole_groups(kCols)]) {
  constexpr int kGroups = whole_groups(kCols) / kGroup;
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 8
    for (int r = 0; r < kCols; ++r) settle(acc[i][r]);
  }
#pragma GCC unroll 2
  for (int g = 0; g < kGroups; ++g) {
    const int64_t cols = x.cols - g * kGroup < kGroup ? x.cols - g * kGroup : kGroup;
    if (cols <= 0) break;
    const __mmask8 stored = static_cast<__mmask8>((1 << cols) - 1);
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i) {
      const __m128i sum = _mm_add_epi32(sums(acc[i] + g * kGroup), _mm_set1_epi32(x.init[i]));
      _mm_mask_storeu_epi32(x.c + i * x.ldc + g * kGroup, stored, sum);
    }
  }
}

// All of m x n, `most` rows of a and `step` rows of b at a time. A row of a in its panel, in a block of k, is `row`
// bytes after the one before.
[[gnu::always_inline]] inline void for_each_pass(int64_t m, int64_t n, int64_t most, int64_t step, int64_t row, Pass x,
                                                 PassFn* const* passes) {
  const int8_t *const a = x.a, *const b = x.b;
  const int32_t* const init = x.init;
  int32_t* const c = x.c;
  const int64_t count = (m + most - 1) / most;
  x.a_step = m * row;
  for (int64_t j = 0; j < n; j += step) {
    x.b = b + j * x.ldb;
    x.cols = n - j < step ? n - j : step;
    for (int64_t t = 0; t < count; ++t) {
      const int64_t i = t * m / count, rows = (t + 1) * m / count - i;
      x.a = a + i * row, x.init = init + i, x.c = c + i * x.ldc + j;
      x.ahead = t == 0 && j + 2 * step <= n ? step * x.ldb : 0;
      passes[rows - 1](x);
    }
  }
}

}  // namespace
}  // namespace a8w8::avx512_vnni
