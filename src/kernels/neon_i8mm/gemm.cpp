// The matrix-multiply tile: 12 x 8 sums, k in eights. smmla multiplies two rows of a, eight k each, by two columns of b
// and adds the four sums of eight products to four int32, exactly: twice the work of an sdot.
//
// 32 registers: 6 * 4 accumulators of 2 x 2 sums, 4 of b, 1 or more of a. A step of k = 8 is 24 smmla and 10 loads,
// which compilers pair: 12 cycles with two multipliers (Neoverse N2), 6 with four (V1, V2), within which each
// accumulator is used once, so the latency of 3 is hidden. llvm-mca 19 on what GCC 12 makes of the loop: 1.99 smmla a
// cycle on N2, 3.96 on V1 and V2, and so for all numbers of rows down to three. One or two rows are bound by their
// loads: 2.27 on V1 and V2. A step of sixteen k, as neon_dot has, gave both compilers reason to load more at a time
// than there are registers.
//
// A panel of b is eight such tiles side by side, for the reasons given in kernels/neon_dot/gemm.cpp. The tile is taller
// than wide since a comes from L1 and b from L2, 64 bytes a step. Nothing of this was measured on hardware.
#include <arm_neon.h>

#include <cstdint>

#include "kernels/neon_i8mm/kernels.h"

namespace a8w8::neon_i8mm {
namespace {

constexpr int kTileCols = 8, kTilePairs = kTileCols / 2, kTileBytes = kTileCols * kKr;
static_assert(kMr == 12 && kNr == 8 * kTileCols && kKr == 8);
constexpr int64_t kDepth = 2048;  // of k, for which a is in L1: 24 KiB
constexpr int64_t kAhead =
    8 * kNr * kKr;  // bytes of b that are asked for before they are needed: 48 cycles at the most

// A register of sums is [c(2p, 2q), c(2p, 2q+1), c(2p+1, 2q), c(2p+1, 2q+1)]. Two of them are four columns of the rows
// 2p (the low halves) and 2p + 1 (the high ones).
[[gnu::always_inline]] inline int32x4_t low_halves(int32x4_t x, int32x4_t y) {
  return vreinterpretq_s32_s64(vzip1q_s64(vreinterpretq_s64_s32(x), vreinterpretq_s64_s32(y)));
}
[[gnu::always_inline]] inline int32x4_t high_halves(int32x4_t x, int32x4_t y) {
  return vreinterpretq_s32_s64(vzip2q_s64(vreinterpretq_s64_s32(x), vreinterpretq_s64_s32(y)));
}

// c = sum + *init, or c += sum where init is null.
[[gnu::always_inline]] inline void store(int32_t* c, const int32_t* init, int32x4_t sum) {
  vst1q_s32(c, vaddq_s32(sum, init ? vdupq_n_s32(*init) : vld1q_s32(c)));
}

// P pairs of rows against T tiles. Where the number of rows is odd, the last pair has one row, the other being zero.
// All loops over pairs are unrolled, so that every index is a constant and the accumulators stay in registers.
template <int P, int T, bool kOdd>
void tiles(int64_t k, const int8_t* a, const int8_t* b, const int32_t* row_init, int32_t* c, int64_t ldc) {
  constexpr int kRows = 2 * P - kOdd;
  int32x4_t acc[P][T * kTilePairs];
#pragma GCC unroll 6
  for (int p = 0; p < P; ++p) {
#pragma GCC unroll 16
    for (int q = 0; q < T * kTilePairs; ++q) acc[p][q] = vdupq_n_s32(0);
  }
  for (int64_t d = 0; d < k; d += kKr, a += kRows * kKr, b += kNr * kKr) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      __builtin_prefetch(b + kAhead + t * kTileBytes);
      int8x16_t b8[kTilePairs];
#pragma GCC unroll 4
      for (int q = 0; q < kTilePairs; ++q) b8[q] = vld1q_s8(b + t * kTileBytes + q * 16);
#pragma GCC unroll 6
      for (int p = 0; p < P; ++p) {
        const bool single = kOdd && p == P - 1;
        const int8x16_t a8 = single ? vcombine_s8(vld1_s8(a + p * 16), vdup_n_s8(0)) : vld1q_s8(a + p * 16);
#pragma GCC unroll 4
        for (int q = 0; q < kTilePairs; ++q) {
          acc[p][t * kTilePairs + q] = vmmlaq_s32(acc[p][t * kTilePairs + q], a8, b8[q]);
        }
      }
    }
  }
#pragma GCC unroll 6
  for (int p = 0; p < P; ++p) {
#pragma GCC unroll 8
    for (int q = 0; q < T * kTilePairs; q += 2) {
      int32_t* c4 = c + 2 * p * ldc + 2 * q;
      store(c4, row_init ? row_init + 2 * p : nullptr, low_halves(acc[p][q], acc[p][q + 1]));
      if (kOdd && p == P - 1) continue;
      store(c4 + ldc, row_init ? row_init + 2 * p + 1 : nullptr, high_halves(acc[p][q], acc[p][q + 1]));
    }
  }
}

struct Tiles {
  void (*run)(int64_t k, const int8_t* a, const int8_t* b, const int32_t* row_init, int32_t* c, int64_t ldc);
  int cols;
};
// By the number of rows. Few rows take several tiles at once, for the sake of as many accumulators.
constexpr Tiles kTiles[kMr] = {{tiles<1, 4, true>, 32},  {tiles<1, 4, false>, 32}, {tiles<2, 2, true>, 16},
                               {tiles<2, 2, false>, 16}, {tiles<3, 2, true>, 16},  {tiles<3, 2, false>, 16},
                               {tiles<4, 1, true>, 8},   {tiles<4, 1, false>, 8},  {tiles<5, 1, true>, 8},
                               {tiles<5, 1, false>, 8},  {tiles<6, 1, true>, 8},   {tiles<6, 1, false>, 8}};

}  // namespace

void gemm(int64_t rows, int64_t k, const void* a_panel, int64_t /*a_stride*/, const void* b_panel,
          const int32_t* row_init, int32_t* c, int64_t ldc) noexcept {
  const int8_t* a = static_cast<const int8_t*>(a_panel);
  const int8_t* b = static_cast<const int8_t*>(b_panel);
  const Tiles& t = kTiles[rows - 1];
  for (int64_t p = 0; p < k; p += kDepth) {
    const int64_t depth = k - p < kDepth ? k - p : kDepth;
    for (int64_t j = 0; j < kNr; j += t.cols) {
      t.run(depth, a + p * rows, b + p * kNr + j * kKr, p == 0 ? row_init : nullptr, c + j, ldc);
    }
  }
}

}  // namespace a8w8::neon_i8mm
