// What the dot kernels of this folder share. Everything has internal linkage: a copy compiled with this folder's flags
// must not serve another one.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace a8w8::avx2 {
namespace {

constexpr int kLine = 64;  // bytes of a cache line

// Rows of a and their part of the result. A is an element of the panel.
template <class A>
struct Rows {
  const A* a;      // the first of M rows in their panel
  int64_t a_step;  // from one block of k to the next
  const int32_t* init;
  int32_t* c;
  int64_t ldc;
};

// Element r of the result is the sum of the eight lanes of v[r].
[[gnu::always_inline]] inline __m128i sums(const __m256i (&v)[4]) {
  const __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
  return _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
}

// `cols` <= 4 columns of c from M * 4 accumulators.
template <int M, class A>
[[gnu::always_inline]] inline void store_sums(const Rows<A>& x, int64_t cols, const __m256i (&acc)[M][4]) {
#pragma GCC unroll 4
  for (int i = 0; i < M; ++i) {
    alignas(16) int32_t c4[4];
    _mm_store_si128(reinterpret_cast<__m128i*>(c4), _mm_add_epi32(sums(acc[i]), _mm_set1_epi32(x.init[i])));
    std::memcpy(x.c + i * x.ldc, c4, static_cast<size_t>(cols) * sizeof(int32_t));
  }
}

// M rows of a against `cols` <= kCols rows of b; the rows `ahead` bytes further are needed next.
template <class A>
using PassFn = void(const Rows<A>& x, int64_t cols, int64_t k, const int8_t* b, int64_t ldb, int64_t ahead);
constexpr int64_t kMaxRows = 4, kCols = 4;

// Four columns, in passes of at most four rows of a each: after the first pass they are in L1. `all` is of all rows,
// and `row` elements of a panel's block belong to one row. See [next-rows] for what is fetched.
template <class A>
void for_each_pass(const Rows<A>& all, int64_t row, int64_t m, int64_t n, int64_t k, const int8_t* b, int64_t ldb,
                   int64_t groups_ahead, PassFn<A>* const (&passes)[kMaxRows]) {
  const int64_t count = (m + kMaxRows - 1) / kMaxRows;
  for (int64_t j = 0; j < n; j += kCols) {
    const int64_t cols = n - j < kCols ? n - j : kCols;
    for (int64_t t = 0; t < count; ++t) {
      const int64_t i = t * m / count, rows = (t + 1) * m / count - i;
      const int64_t ahead = t == 0 && j + (groups_ahead + 1) * kCols <= n ? groups_ahead * kCols * ldb : 0;
      const Rows<A> x{all.a + i * row, all.a_step, all.init + i, all.c + i * all.ldc + j, all.ldc};
      passes[rows - 1](x, cols, k, b + j * ldb, ldb, ahead);
    }
  }
}

}  // namespace
}  // namespace a8w8::avx2
