// Rows of a times rows of b as they lie, both along k. smmla wants eight k of two rows in one register, so the halves
// of two registers of b are exchanged: four zips for four rows of b and sixteen k, which all pairs of rows of a share.
// A single row gains nothing by it and takes neon_dot's kernel, for which its panel is the same.
//
// P pairs of rows of a against two pairs of rows of b take P * 4 accumulators (each half of k has its own, so that with
// P = 1 no smmla waits for the one before), 4 registers of b as it lies, 4 of halves and 1 of a: P <= 4. A step of k =
// 16 is P * 4 smmla, 4 zips and P * 2 + 4 loads. llvm-mca 19 on what GCC 12 makes of the loop: 10 cycles for eight rows
// on Neoverse N2, 5 on V1 and V2, where sdot takes 16 and 8; 4 and 2 to 3 for two rows, as long as sdot. The zips are
// done again for every eight rows, where packing does them once: with more than sixteen rows packing is ahead. Nothing
// of this was measured on hardware.
//
// The rows that come next are fetched into L2 meanwhile, see [next-rows] in kernels/avx2/dot.cpp.
#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "kernels/neon_dot/kernels.h"
#include "kernels/neon_i8mm/kernels.h"

namespace a8w8::neon_i8mm {
namespace {

constexpr int kStep = 16;     // elements of k in one register of b as it lies
constexpr int kLine = 64;     // bytes of a cache line, at least
constexpr int kCols = 4;      // rows of b in flight: columns of c
constexpr int kMaxPairs = 4;  // of rows of a in one pass
static_assert(kDotKr == kStep && kKr == kStep / 2);

[[gnu::always_inline]] inline int8x16_t load_tail(const int8_t* x, int64_t count) {
  int8_t bytes[kStep] = {};
  std::memcpy(bytes, x, static_cast<size_t>(count));
  return vld1q_s8(bytes);
}

[[gnu::always_inline]] inline int8x16_t low_halves(int8x16_t x, int8x16_t y) {
  return vreinterpretq_s8_s64(vzip1q_s64(vreinterpretq_s64_s8(x), vreinterpretq_s64_s8(y)));
}
[[gnu::always_inline]] inline int8x16_t high_halves(int8x16_t x, int8x16_t y) {
  return vreinterpretq_s8_s64(vzip2q_s64(vreinterpretq_s64_s8(x), vreinterpretq_s64_s8(y)));
}

struct Pass {
  const int8_t* a;  // the first of the rows in their panel
  int64_t a_half;   // from eight k to the next eight
  const int32_t* init;
  int64_t k;
  const int8_t* b;  // `cols` <= 4 rows; the missing ones repeat the last one and are not stored
  int64_t ldb, cols;
  int64_t ahead;  // so many bytes further are the rows that are needed next
  int32_t* c;
  int64_t ldc;
};

[[gnu::always_inline]] inline void store(const Pass& x, int64_t i, int32x4_t sum) {
  sum = vaddq_s32(sum, vdupq_n_s32(x.init[i]));
  if (x.cols == kCols) return vst1q_s32(x.c + i * x.ldc, sum);
  std::memcpy(x.c + i * x.ldc, &sum, static_cast<size_t>(x.cols) * sizeof(int32_t));
}

// P pairs of rows. Where the number of rows is odd, the last pair has one row, the other being zero.
template <int P, bool kOdd>
void pass(const Pass& x) {
  const int8_t* rows[kCols];
  for (int r = 0; r < kCols; ++r) rows[r] = x.b + (r < x.cols ? r : x.cols - 1) * x.ldb;
  int32x4_t acc[2][P][2];
#pragma GCC unroll 2
  for (int h = 0; h < 2; ++h) {
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) acc[h][p][0] = acc[h][p][1] = vdupq_n_s32(0);
  }
  auto step = [&](const int8_t* a, auto load) __attribute__((always_inline)) {
    const int8x16_t b0 = load(rows[0]), b1 = load(rows[1]), b2 = load(rows[2]), b3 = load(rows[3]);
    const int8x16_t b8[2][2] = {{low_halves(b0, b1), low_halves(b2, b3)}, {high_halves(b0, b1), high_halves(b2, b3)}};
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h, a += x.a_half) {
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) {
        const bool single = kOdd && p == P - 1;
        const int8x16_t a8 = single ? vcombine_s8(vld1_s8(a + p * 16), vdup_n_s8(0)) : vld1q_s8(a + p * 16);
        acc[h][p][0] = vmmlaq_s32(acc[h][p][0], a8, b8[h][0]);
        acc[h][p][1] = vmmlaq_s32(acc[h][p][1], a8, b8[h][1]);
      }
    }
  };
  // The odd part of k comes first: with nothing but the loop before the sums, GCC keeps one copy of the accumulators.
  const int64_t whole = x.k / kStep * kStep, odd = x.k - whole;
  if (odd) step(x.a + whole / kKr * x.a_half, [=](const int8_t* b) { return load_tail(b + whole, odd); });
  const int8_t* a = x.a;
  for (int64_t d = 0; d < whole; d += kStep, a += 2 * x.a_half) {
    if (d % kLine == 0) {
#pragma GCC unroll 4
      for (int r = 0; r < kCols; ++r) __builtin_prefetch(rows[r] + x.ahead + d, /*write=*/0, /*locality=*/2);
    }
    step(a, [d](const int8_t* b) { return vld1q_s8(b + d); });
  }
#pragma GCC unroll 4
  for (int p = 0; p < P; ++p) {
    // [c(2p, q), c(2p, q+1), c(2p+1, q), c(2p+1, q+1)] for q = 0 and q = 2
    const int8x16_t s0 = vreinterpretq_s8_s32(vaddq_s32(acc[0][p][0], acc[1][p][0]));
    const int8x16_t s1 = vreinterpretq_s8_s32(vaddq_s32(acc[0][p][1], acc[1][p][1]));
    store(x, 2 * p, vreinterpretq_s32_s8(low_halves(s0, s1)));
    if (!(kOdd && p == P - 1)) store(x, 2 * p + 1, vreinterpretq_s32_s8(high_halves(s0, s1)));
  }
}

using PassFn = void(const Pass& x);
constexpr PassFn* kPasses[2 * kMaxPairs] = {pass<1, true>, pass<1, false>, pass<2, true>, pass<2, false>,
                                            pass<3, true>, pass<3, false>, pass<4, true>, pass<4, false>};

}  // namespace

void dot(int64_t m, int64_t n, int64_t k, const void* a_panel, const int32_t* row_init, const int8_t* b, int64_t ldb,
         int32_t* c, int64_t ldc) noexcept {
  if (m == 1) return neon_dot::dot(m, n, k, a_panel, row_init, b, ldb, c, ldc);
  const int8_t* a = static_cast<const int8_t*>(a_panel);
  const int64_t pairs = (m + 1) / 2, passes = (pairs + kMaxPairs - 1) / kMaxPairs;
  for (int64_t j = 0; j < n; j += kCols) {
    const int64_t cols = n - j < kCols ? n - j : kCols;
    for (int64_t t = 0; t < passes; ++t) {
      const int64_t i = t * pairs / passes * 2, end = (t + 1) * pairs / passes * 2;
      const int64_t rows = (end < m ? end : m) - i;
      const int64_t ahead = t == 0 && j + 2 * kCols <= n ? kCols * ldb : 0;
      kPasses[rows - 1]({a + i * kKr, m * kKr, row_init + i, k, b + j * ldb, ldb, cols, ahead, c + i * ldc + j, ldc});
    }
  }
}

}  // namespace a8w8::neon_i8mm
