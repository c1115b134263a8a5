// Rows of a times rows of b as they lie. b becomes the unsigned operand of vpdpbusd by b ^ 0x80 = b + 128 in each byte;
// what that adds is undone by row_init (see [s8s8-compensation] in kernels/gemm_kernel.h).
//
// M rows of a against R rows of b are M * R accumulators, at most 24, with R registers of b, one of a and one constant.
// A step of 64 k is M * R vpdpbusd against R loads and flips of b and M loads of a. (M, R) is (1..3, 8), (4..6, 4),
// (7..8, 3): b should be read once for as many rows as possible; but more than eight rows of b with a stride of 4096
// bytes fall out of the eight ways of L1 (m = 1: 250 us for R = 8, 496 for R = 12, 754 for R = 16 on a Zen 4, one core,
// n = k = 4096). More than eight rows of a take several passes of at most six over four rows of b, in L1 by then.
// a comes out of a panel whose lines follow each other, so that its rows do not collide.
//
// [dot-prefetch] Each line of b is asked for twice: into L2, two groups of rows ahead, because the hardware starts each
// row anew and stops at page ends (b in memory, m = 1, one core: 885 us without, 650 one group ahead, 620 two); and
// into L1 shortly before it is needed, in the next rows where this one ends (n = k = 4096 in L3: 257 us with, 283
// without).
#include "kernels/avx512_vnni/dot_sums.h"
#include "kernels/avx512_vnni/kernels.h"

namespace a8w8::avx512_vnni {
namespace {

constexpr int kStep = 64;                                                       // elements of k in one register
constexpr int kMaxRows = 8;                                                     // of a in one pass
constexpr int cols_for(int rows) { return rows <= 3 ? 8 : rows <= 6 ? 4 : 3; }  // rows of b in flight: columns of c
constexpr int64_t kAhead = 1024;                                                // bytes, see [dot-prefetch]
constexpr int kGroup = 4;                                                       // columns whose sums are made at once
static_assert(kDotKr == kStep);

struct Pass {
  const int8_t* a;  // the first of M rows in their panel
  int64_t a_step;   // from one block of k to the next
  const int32_t* init;
  int64_t k;
  const int8_t* b;  // `cols` rows; the missing ones repeat the last one and are not stored
  int64_t ldb, cols;
  int64_t ahead;  // so many bytes further are the rows that are needed next
  int32_t* c;
  int64_t ldc;
};

template <int M>
void pass(const Pass& x) {
  constexpr int kCols = cols_for(M), kGroups = (kCols + kGroup - 1) / kGroup;
  const int8_t* rows[kCols];
  for (int r = 0; r < kCols; ++r) rows[r] = x.b + (r < x.cols ? r : x.cols - 1) * x.ldb;
  __m512i acc[M][kGroups * kGroup];  // those beyond kCols stay zero
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 8
    for (int r = 0; r < kGroups * kGroup; ++r) acc[i][r] = _mm512_setzero_si512();
  }
  // One loop with a mask for the odd end of k: with a second copy of its body, GCC keeps accumulators in memory.
  const int8_t* a = x.a;
  for (int64_t p = 0; p < x.k; p += kStep, a += x.a_step) {
    const __mmask64 mask = x.k - p < kStep ? ~uint64_t{0} >> (kStep - (x.k - p)) : ~uint64_t{0};
    const int64_t further = p + kAhead, soon = further < x.k ? further : further - x.k + x.ahead;
    const auto load_b = [&](int r) __attribute__((always_inline)) {
      _mm_prefetch(reinterpret_cast<const char*>(rows[r] + soon), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(rows[r] + 2 * x.ahead + p), _MM_HINT_T1);
      return _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, rows[r] + p), _mm512_set1_epi8(-128));
    };
    const auto load_a = [&](int i) __attribute__((always_inline)) {
      __m512i a4 = _mm512_loadu_si512(a + i * kStep);
      settle(a4);  // one load, not one for each column
      return a4;
    };
    // The fewer of both stay in registers, the others pass by.
    if constexpr (M <= kCols) {
      __m512i a4[M];
#pragma GCC unroll 8
      for (int i = 0; i < M; ++i) a4[i] = load_a(i);
#pragma GCC unroll 8
      for (int r = 0; r < kCols; ++r) {
        const __m512i b4 = load_b(r);
#pragma GCC unroll 8
        for (int i = 0; i < M; ++i) acc[i][r] = _mm512_dpbusd_epi32(acc[i][r], b4, a4[i]);
      }
    } else {
      __m512i b4[kCols];
#pragma GCC unroll 8
      for (int r = 0; r < kCols; ++r) b4[r] = load_b(r);
#pragma GCC unroll 8
      for (int i = 0; i < M; ++i) {
        const __m512i a4 = load_a(i);
#pragma GCC unroll 8
        for (int r = 0; r < kCols; ++r) acc[i][r] = _mm512_dpbusd_epi32(acc[i][r], b4[r], a4);
      }
    }
  }
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

using PassFn = void(const Pass& x);
constexpr PassFn* kPasses[kMaxRows] = {pass<1>, pass<2>, pass<3>, pass<4>, pass<5>, pass<6>, pass<7>, pass<8>};

}  // namespace

void dot(int64_t m, int64_t n, int64_t k, const void* a_panel, const int32_t* row_init, const int8_t* b, int64_t ldb,
         int32_t* c, int64_t ldc) noexcept {
  const int8_t* a = static_cast<const int8_t*>(a_panel);
  const int64_t most = m <= kMaxRows ? kMaxRows : 6, passes = (m + most - 1) / most;
  const int64_t step = cols_for(static_cast<int>(m <= kMaxRows ? m : 6));
  for (int64_t j = 0; j < n; j += step) {
    const int64_t cols = n - j < step ? n - j : step;
    for (int64_t t = 0; t < passes; ++t) {
      const int64_t i = t * m / passes, rows = (t + 1) * m / passes - i;
      const int64_t ahead = t == 0 && j + 2 * step <= n ? step * ldb : 0;
      kPasses[rows - 1](
          {a + i * kStep, m * kStep, row_init + i, k, b + j * ldb, ldb, cols, ahead, c + i * ldc + j, ldc});
    }
  }
}

}  // namespace a8w8::avx512_vnni
