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
#include "kernels/avx512_vnni/dot_pass.h"
#include "kernels/avx512_vnni/kernels.h"

namespace a8w8::avx512_vnni {
namespace {

constexpr int kMaxRows = 8;                                                     // of a in one pass
constexpr int cols_for(int rows) { return rows <= 3 ? 8 : rows <= 6 ? 4 : 3; }  // rows of b in flight: columns of c
static_assert(kDotKr == kStep);

template <int M>
void pass(const Pass& x) {
  constexpr int kCols = cols_for(M), kSums = whole_groups(kCols);
  const int8_t* rows[kCols];
  for (int r = 0; r < kCols; ++r) rows[r] = x.b + (r < x.cols ? r : x.cols - 1) * x.ldb;
  __m512i acc[M][kSums];  // those beyond kCols stay zero
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 8
    for (int r = 0; r < kSums; ++r) acc[i][r] = _mm512_setzero_si512();
  }
  // One loop with a mask for the odd end of k: with a second copy of its body, GCC keeps accumulators in memory.
  const int8_t* a = x.a;
  for (int64_t p = 0; p < x.bytes; p += kStep, a += x.a_step) {
    const __mmask64 mask = bytes_left(x, p);
    const auto flipped_b = [&](int r) __attribute__((always_inline)) {
      return _mm512_xor_si512(load_b(x, rows[r], p, mask), _mm512_set1_epi8(-128));
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
        const __m512i b4 = flipped_b(r);
#pragma GCC unroll 8
        for (int i = 0; i < M; ++i) acc[i][r] = _mm512_dpbusd_epi32(acc[i][r], b4, a4[i]);
      }
    } else {
      __m512i b4[kCols];
#pragma GCC unroll 8
      for (int r = 0; r < kCols; ++r) b4[r] = flipped_b(r);
#pragma GCC unroll 8
      for (int i = 0; i < M; ++i) {
        const __m512i a4 = load_a(i);
#pragma GCC unroll 8
        for (int r = 0; r < kCols; ++r) acc[i][r] = _mm512_dpbusd_epi32(acc[i][r], b4[r], a4);
      }
    }
  }
  store_sums<M, kCols>(x, acc);
}

constexpr PassFn* kPasses[kMaxRows] = {pass<1>, pass<2>, pass<3>, pass<4>, pass<5>, pass<6>, pass<7>, pass<8>};

}  // namespace

void dot(int64_t m, int64_t n, int64_t k, const void* a_panel, const int32_t* row_init, const int8_t* b, int64_t ldb,
         int32_t* c, int64_t ldc) noexcept {
  const Pass all{static_cast<const int8_t*>(a_panel), 0, row_init, k, b, ldb, n, 0, c, ldc};
  const int64_t most = m <= kMaxRows ? kMaxRows : 6, step = cols_for(static_cast<int>(m <= kMaxRows ? m : 6));
  for_each_pass(m, n, most, step, kDotKr, all, kPasses);
}

}  // namespace a8w8::avx512_vnni
