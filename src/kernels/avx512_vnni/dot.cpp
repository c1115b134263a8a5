// Rows of a times rows of b as they lie. b becomes the unsigned operand of vpdpbusd by b ^ 0x80 = b + 128 in each byte;
// what that adds is undone by row_init (see [s8s8-compensation] in kernels/gemm_kernel.h).
//
// Four rows of b are in flight: M * 4 accumulators, at most 24, 4 registers of b; a comes from memory, out of a panel
// whose lines follow each other, so that rows with a stride of 4096 bytes do not fall into the same sets of L1. With
// m = 1 a step of 256 bytes takes the latency of vpdpbusd, 5 cycles: 51 bytes a cycle, as much as L2 and far more than
// memory delivers. More than six rows of a take several passes over the four rows of b, which are in L1 by then. The
// four that come next are fetched into L2 meanwhile, see [next-rows] in kernels/avx2/dot.cpp.
#include <immintrin.h>

#include "kernels/avx512_vnni/kernels.h"

namespace a8w8::avx512_vnni {
namespace {

constexpr int kStep = 64;    // elements of k in one register
constexpr int kCols = 4;     // rows of b in flight: columns of c
constexpr int kMaxRows = 6;  // of a in one pass
static_assert(kDotKr == kStep);

// Element r of the result is the sum of the sixteen lanes of v[r].
[[gnu::always_inline]] inline __m128i sums(const __m512i (&v)[kCols]) {
  const __m512i v01 = _mm512_add_epi32(_mm512_unpacklo_epi32(v[0], v[1]), _mm512_unpackhi_epi32(v[0], v[1]));
  const __m512i v23 = _mm512_add_epi32(_mm512_unpacklo_epi32(v[2], v[3]), _mm512_unpackhi_epi32(v[2], v[3]));
  const __m512i s = _mm512_add_epi32(_mm512_unpacklo_epi64(v01, v23), _mm512_unpackhi_epi64(v01, v23));
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(s), _mm512_extracti64x4_epi64(s, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

struct Pass {
  const int8_t* a;  // the first of M rows in their panel
  int64_t a_step;   // from one block of k to the next
  const int32_t* init;
  int64_t k;
  const int8_t* b;  // `cols` <= 4 rows; the missing ones repeat the last one and are not stored
  int64_t ldb, cols;
  int64_t ahead;  // so many bytes further are the rows that are needed next
  int32_t* c;
  int64_t ldc;
};

template <int M>
void pass(const Pass& x) {
  const int8_t* rows[kCols];
  for (int r = 0; r < kCols; ++r) rows[r] = x.b + (r < x.cols ? r : x.cols - 1) * x.ldb;
  __m512i acc[M][kCols];
#pragma GCC unroll 6
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 4
    for (int r = 0; r < kCols; ++r) acc[i][r] = _mm512_setzero_si512();
  }
  auto step = [&](const int8_t* a, auto load) __attribute__((always_inline)) {
    __m512i b4[kCols];
#pragma GCC unroll 4
    for (int r = 0; r < kCols; ++r) b4[r] = _mm512_xor_si512(load(rows[r]), _mm512_set1_epi8(-128));
#pragma GCC unroll 6
    for (int i = 0; i < M; ++i) {
      const __m512i a4 = _mm512_loadu_si512(a + i * kStep);
#pragma GCC unroll 4
      for (int r = 0; r < kCols; ++r) acc[i][r] = _mm512_dpbusd_epi32(acc[i][r], b4[r], a4);
    }
  };
  // The odd part of k comes first: with nothing but the loop before the sums, GCC keeps one copy of the accumulators.
  const int64_t whole = x.k / kStep * kStep, odd = x.k - whole;
  if (odd) {
    const __mmask64 mask = ~uint64_t{0} >> (kStep - odd);
    step(x.a + whole / kStep * x.a_step, [=](const int8_t* b) { return _mm512_maskz_loadu_epi8(mask, b + whole); });
  }
  const int8_t* a = x.a;
  for (int64_t p = 0; p < whole; p += kStep, a += x.a_step) {
#pragma GCC unroll 4
    for (int r = 0; r < kCols; ++r) _mm_prefetch(reinterpret_cast<const char*>(rows[r] + x.ahead + p), _MM_HINT_T1);
    step(a, [p](const int8_t* b) { return _mm512_loadu_si512(b + p); });
  }
  const __mmask8 stored = static_cast<__mmask8>((1 << x.cols) - 1);
#pragma GCC unroll 6
  for (int i = 0; i < M; ++i) {
    _mm_mask_storeu_epi32(x.c + i * x.ldc, stored, _mm_add_epi32(sums(acc[i]), _mm_set1_epi32(x.init[i])));
  }
}

using PassFn = void(const Pass& x);
constexpr PassFn* kPasses[kMaxRows] = {pass<1>, pass<2>, pass<3>, pass<4>, pass<5>, pass<6>};

}  // namespace

void dot(int64_t m, int64_t n, int64_t k, const void* a_panel, const int32_t* row_init, const int8_t* b, int64_t ldb,
         int32_t* c, int64_t ldc) noexcept {
  const int8_t* a = static_cast<const int8_t*>(a_panel);
  const int64_t passes = (m + kMaxRows - 1) / kMaxRows;
  for (int64_t j = 0; j < n; j += kCols) {
    const int64_t cols = n - j < kCols ? n - j : kCols;
    for (int64_t t = 0; t < passes; ++t) {
      const int64_t i = t * m / passes, rows = (t + 1) * m / passes - i;
      const int64_t ahead = t == 0 && j + 2 * kCols <= n ? kCols * ldb : 0;
      kPasses[rows - 1](
          {a + i * kStep, m * kStep, row_init + i, k, b + j * ldb, ldb, cols, ahead, c + i * ldc + j, ldc});
    }
  }
}

}  // namespace a8w8::avx512_vnni
