// Rows of a times rows of b as they lie, both along k: sixteen products an sdot, four sums of four in the lanes.
//
// M rows of a against four rows of b take M * 4 accumulators, 4 registers of b and 1 or more of a: M <= 6. More rows of
// a take several passes over the four rows of b, which are in L1 by then. llvm-mca 19 on what GCC 12 makes of the
// loops: with m = 1, four lines of b take 12 cycles on Neoverse N1 and N2 and 8 on V1 and V2, all for loads: 21 and 32
// bytes a cycle, more than one core gets from memory. From three rows on (N1, N2: two) it is bound by the multipliers,
// as gemm.cpp is; packing b then only pays for rows of a that no longer fit into L1 together. With little k it does
// pay, since a pass ends with some 60 instructions, and packing four columns costs about a third of that for sixteen k;
// hence k_per_row in table.cpp. Nothing of this was measured on hardware.
//
// The rows that come next are fetched into L2 meanwhile, see [next-rows] in kernels/avx2/dot.cpp.
#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "kernels/neon_dot/kernels.h"

namespace a8w8::neon_dot {
namespace {

constexpr int kStep = 16;    // elements of k in one register
constexpr int kLine = 64;    // bytes of a cache line, at least
constexpr int kCols = 4;     // rows of b in flight: columns of c
constexpr int kMaxRows = 6;  // of a in one pass
static_assert(kKr == kStep);

[[gnu::always_inline]] inline int8x16_t load_tail(const int8_t* x, int64_t count) {
  int8_t bytes[kStep] = {};
  std::memcpy(bytes, x, static_cast<size_t>(count));
  return vld1q_s8(bytes);
}

// Element r of the result is the sum of the four lanes of v[r].
[[gnu::always_inline]] inline int32x4_t sums(const int32x4_t (&v)[kCols]) {
  return vpaddq_s32(vpaddq_s32(v[0], v[1]), vpaddq_s32(v[2], v[3]));
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
  int32x4_t acc[M][kCols];
#pragma GCC unroll 6
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 4
    for (int r = 0; r < kCols; ++r) acc[i][r] = vdupq_n_s32(0);
  }
  auto step = [&](const int8_t* a, auto load) __attribute__((always_inline)) {
    int8x16_t b16[kCols];
#pragma GCC unroll 4
    for (int r = 0; r < kCols; ++r) b16[r] = load(rows[r]);
#pragma GCC unroll 6
    for (int i = 0; i < M; ++i) {
      const int8x16_t a16 = vld1q_s8(a + i * kStep);
#pragma GCC unroll 4
      for (int r = 0; r < kCols; ++r) acc[i][r] = vdotq_s32(acc[i][r], b16[r], a16);
    }
  };
  // The odd part of k comes first: with nothing but loops before the sums, GCC keeps one copy of the accumulators.
  const int64_t whole = x.k / kStep * kStep, odd = x.k - whole;
  if (odd) step(x.a + whole / kStep * x.a_step, [=](const int8_t* b) { return load_tail(b + whole, odd); });
  const int8_t* a = x.a;
  int64_t p = 0;
  const auto fetch_next = [&](int64_t p) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int r = 0; r < kCols; ++r) __builtin_prefetch(rows[r] + x.ahead + p, /*write=*/0, /*locality=*/2);
  };
  if constexpr (M < 4) {
    for (; p + kLine <= whole; p += kLine) {
      fetch_next(p);
#pragma GCC unroll 4
      for (int q = 0; q < kLine; q += kStep, a += x.a_step)
        step(a, [p, q](const int8_t* b) { return vld1q_s8(b + p + q); });
    }
  }
  for (; p < whole; p += kStep, a += x.a_step) {
    if (p % kLine == 0) fetch_next(p);
    step(a, [p](const int8_t* b) { return vld1q_s8(b + p); });
  }
#pragma GCC unroll 6
  for (int i = 0; i < M; ++i) {
    const int32x4_t sum = vaddq_s32(sums(acc[i]), vdupq_n_s32(x.init[i]));
    if (x.cols == kCols) {
      vst1q_s32(x.c + i * x.ldc, sum);
    } else {
      std::memcpy(x.c + i * x.ldc, &sum, static_cast<size_t>(x.cols) * sizeof(int32_t));
    }
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

}  // namespace a8w8::neon_dot
