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

// Element r of the result is the sum of the eight lanes of vr.
[[gnu::always_inline]] inline __m128i sums(__m256i v0, __m256i v1, __m256i v2, __m256i v3) {
  const __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(v0, v1), _mm256_hadd_epi32(v2, v3));
  return _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
}

// Columns of c and as many rows of b: at the edge fewer than there is room for; with more than one for `apart`, which
// is from one to the next, all of them.
struct Columns {
  int64_t count;
  int64_t apart;
};

// The first R of four sums to row i of c, or as many as there are columns.
template <int R, class A>
[[gnu::always_inline]] inline void store_row(const Rows<A>& x, int i, Columns cols, __m128i sums4) {
  alignas(16) int32_t c4[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(c4), _mm_add_epi32(sums4, _mm_set1_epi32(x.init[i])));
  if (cols.apart != 1) {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) x.c[i * x.ldc + r * cols.apart] = c4[r];
  } else if (cols.count == R) {
    std::memcpy(x.c + i * x.ldc, c4, R * sizeof *c4);  // a size that is known is a move, not a call
  } else {
    std::memcpy(x.c + i * x.ldc, c4, static_cast<size_t>(cols.count) * sizeof *c4);
  }
}

// Ends the life of one register and begins another's. Without it GCC 12 copies each accumulator once a step.
[[gnu::always_inline]] inline void settle(__m256i& v) {
#if defined(__AVX2__)  // not where the tests emulate it
  __asm__("" : "+x"(v));
#else
  (void)v;
#endif
}

// Four sums are made at once: of one row, or of two rows with two columns each.
template <int M, int R, class A>
[[gnu::always_inline]] inline void store_sums(const Rows<A>& x, Columns cols, const __m256i (&acc)[M][R]) {
  static_assert(R == 2 || R == 4);
  if constexpr (R == 4) {
#pragma GCC unroll 4
    for (int i = 0; i < M; ++i) store_row<R>(x, i, cols, sums(acc[i][0], acc[i][1], acc[i][2], acc[i][3]));
  } else {
#pragma GCC unroll 4
    for (int i = 0; i < M; i += 2) {
      const int second = i + 1 < M ? i + 1 : i;
      const __m128i both = sums(acc[i][0], acc[i][1], acc[second][0], acc[second][1]);
      store_row<R>(x, i, cols, both);
      if (second != i) store_row<R>(x, second, cols, _mm_unpackhi_epi64(both, both));
    }
  }
}

// The rows of b that R columns are made of; missing ones repeat the last.
template <int R>
[[gnu::always_inline]] inline void find_rows(Columns cols, const int8_t* b, int64_t ldb, const int8_t* (&rows)[R]) {
  for (int r = 0; r < R; ++r) rows[r] = b + (r < cols.count ? r : cols.count - 1) * cols.apart * ldb;
}

template <int M, int R>
[[gnu::always_inline]] inline void clear(__m256i (&acc)[M][R]) {
#pragma GCC unroll 4
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) acc[i][r] = _mm256_setzero_si256();
  }
}

// A Kernel has the type A of an element of the panel of a, kRow of them for a row in a block of k, and columns<M, R,
// kFetch>(x, cols, k, b, ldb, ahead): R columns of c from as many rows of b. Missing rows are not stored. kFetch: the
// rows `ahead` bytes further are needed next.

constexpr int64_t kMaxRows = 4, kCols = 4;  // of a pass

// M rows of a against `cols` <= kCols rows of b, which are in L1 after the first R of them have passed.
template <class Kernel, int M, int R>
void pass(const Rows<typename Kernel::A>& x, int64_t cols, int64_t k, const int8_t* b, int64_t ldb, int64_t ahead) {
  for (int64_t j = 0; j < cols; j += R) {
    Rows<typename Kernel::A> at = x;
    at.c += j;
    Kernel::template columns<M, R, true>(at, {cols - j < R ? cols - j : R, 1}, k, b + j * ldb, ldb, ahead);
  }
}

// [streams] At most kMaxRows rows of a, for which all of b passes once: the four rows of b that go together are a
// quarter of it apart. Memory that is read at several places at once comes faster, since the hardware follows each of
// them, and fetching by hand only disturbs. With more rows, or when a takes more than L1, it is the other way round.
template <class Kernel, int M, int R>
void stream(const Rows<typename Kernel::A>& all, int64_t n, int64_t k, const int8_t* b, int64_t ldb) {
  const int64_t quarter = n / kCols, streamed = quarter * kCols;
  Rows<typename Kernel::A> x = all;
  for (int64_t j = 0; j < quarter; ++j) {
    for (int64_t at = j; at < streamed; at += R * quarter) {
      x.c = all.c + at;
      Kernel::template columns<M, R, false>(x, {R, quarter}, k, b + at * ldb, ldb, 0);
    }
  }
  x.c = all.c + streamed;
  pass<Kernel, M, R>(x, n - streamed, k, b + streamed * ldb, ldb, 0);
}

template <class A>
using PassFn = void(const Rows<A>& x, int64_t cols, int64_t k, const int8_t* b, int64_t ldb, int64_t ahead);
template <class A>
using StreamFn = void(const Rows<A>& x, int64_t n, int64_t k, const int8_t* b, int64_t ldb);

// All of a kernel's work. More rows than kMaxRows, or more of a than L1 holds: four columns at a time, in passes of at
// most four rows, the first of which brings b into L1.
//
// [next-rows] That pass fetches the rows of b that come next into L2: the hardware starts each row anew and stops at
// page ends. On a Zen 3, one core, n = k = 4096, m = 4 (before there were streams), that was 13 instead of 10 GB/s.
template <class Kernel, int R3>
void run_dot(int64_t m, int64_t n, int64_t k, const void* a_panel, const int32_t* row_init, const int8_t* b,
             int64_t ldb, int32_t* c, int64_t ldc) {
  using A = typename Kernel::A;
  static constexpr PassFn<A>* kPasses[kMaxRows] = {pass<Kernel, 1, 4>, pass<Kernel, 2, 4>, pass<Kernel, 3, R3>,
                                                   pass<Kernel, 4, 2>};
  static constexpr StreamFn<A>* kStreams[kMaxRows] = {stream<Kernel, 1, 4>, stream<Kernel, 2, 4>, stream<Kernel, 3, R3>,
                                                      stream<Kernel, 4, 2>};
  const Rows<A> all{static_cast<const A*>(a_panel), m * Kernel::kRow, row_init, c, ldc};
  if (m <= kMaxRows && m * k * static_cast<int64_t>(sizeof(A)) <= 32 << 10) {
    return kStreams[m - 1](all, n, k, b, ldb);
  }
  const int64_t count = (m + kMaxRows - 1) / kMaxRows;
  for (int64_t j = 0; j < n; j += kCols) {
    const int64_t cols = n - j < kCols ? n - j : kCols;
    for (int64_t t = 0; t < count; ++t) {
      const int64_t i = t * m / count, rows = (t + 1) * m / count - i;
      const int64_t ahead = t == 0 && j + 2 * kCols <= n ? kCols * ldb : 0;
      const Rows<A> x{all.a + i * Kernel::kRow, all.a_step, row_init + i, c + i * ldc + j, ldc};
      kPasses[rows - 1](x, cols, k, b + j * ldb, ldb, ahead);
    }
  }
}

}  // namespace
}  // namespace a8w8::avx2
