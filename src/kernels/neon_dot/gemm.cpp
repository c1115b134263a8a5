// The dot-product tile: 5 x 16 sums, sixteen k a step. sdot adds four products of signed bytes to each int32, exactly;
// a is the operand of which sdot takes four bytes for all lanes, so a register of a is sixteen k of one row, read where
// it lies.
//
// 32 registers: 5 * 4 accumulators, 5 of a, up to 7 of b. (A sixth row would take all 32, and GCC then moves some of
// them about.) A step is 80 sdot, 16 loads of b and 5 of a: 40 cycles with two multipliers (Neoverse N1, N2), 20 with
// four (V1, V2, the large cores of Apple's M1), in which an accumulator is used every fifth cycle, so the latency of 2
// to 4 is hidden. llvm-mca 19 on what GCC 12 makes of the loop: 2.00 sdot a cycle on N1 and N2, 3.99 on V1 and V2, and
// so for two to four rows. One row is bound by its loads: 1.58 on N1, 2.37 on V1 and V2.
//
// A panel of b is four such tiles side by side. For a step of all four, a is in L1 (kDepth sees to that, whatever k is)
// and b comes from L2, 64 bytes every 10 or 5 cycles; narrower panels would fetch a from L2 or L3 for each of them.
// Nothing of this was measured on hardware.
#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "kernels/neon_dot/kernels.h"

namespace a8w8::neon_dot {
namespace {

constexpr int kTileCols = 16, kTileBytes = kTileCols * kKr;
static_assert(kMr == 5 && kNr == 4 * kTileCols && kKr == 16);
constexpr int64_t kDepth = 2048;           // of k at a time: 10 KiB of a
constexpr int64_t kAhead = 2 * kNr * kKr;  // bytes of b that are asked for two steps before they are needed

// Four of the sixteen k: group kGroup of each row of a against V registers of b, each four columns.
template <int kGroup, int R, int V>
[[gnu::always_inline]] inline void group(const int8x16_t (&a)[R], const int8_t* b, int32x4_t (&acc)[R][V]) {
#pragma GCC unroll 16
  for (int v = 0; v < V; ++v) {
    const int8x16_t b4 = vld1q_s8(b + v / 4 * kTileBytes + kGroup * 64 + v % 4 * 16);
#pragma GCC unroll 5
    for (int i = 0; i < R; ++i) acc[i][v] = vdotq_laneq_s32(acc[i][v], b4, a[i], kGroup);
  }
}

// All loops over rows and registers are unrolled, so that every index is a constant and the accumulators stay in
// registers.
template <int R, int V>
void tile(int64_t k, const int8_t* a, int64_t a_stride, const int8_t* b, const int32_t* row_init, int32_t* c,
          int64_t ldc) {
  int32x4_t acc[R][V];
#pragma GCC unroll 5
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) acc[i][v] = vdupq_n_s32(0);
  }
  for (int64_t p = 0; p < k; p += kKr, b += kNr * kKr) {
    int8x16_t a16[R];
#pragma GCC unroll 5
    for (int i = 0; i < R; ++i) a16[i] = vld1q_s8(a + i * a_stride + p);
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) __builtin_prefetch(b + kAhead + 64 * v);
    group<0>(a16, b, acc);
    group<1>(a16, b, acc);
    group<2>(a16, b, acc);
    group<3>(a16, b, acc);
  }
#pragma GCC unroll 5
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) {
      int32_t* c4 = c + i * ldc + 4 * v;
      vst1q_s32(c4, vaddq_s32(acc[i][v], row_init ? vdupq_n_s32(row_init[i]) : vld1q_s32(c4)));
    }
  }
}

struct Tile {
  void (*run)(int64_t k, const int8_t* a, int64_t a_stride, const int8_t* b, const int32_t* row_init, int32_t* c,
              int64_t ldc);
  int cols;
};
constexpr Tile kTiles[kMr] = {
    {tile<1, 16>, 64}, {tile<2, 8>, 32}, {tile<3, 4>, 16}, {tile<4, 4>, 16}, {tile<5, 4>, 16}};

// All columns of c from a whole number of steps.
void row_of_tiles(const Tile& t, int64_t k, const int8_t* a, int64_t a_stride, const int8_t* b, const int32_t* row_init,
                  int32_t* c, int64_t ldc) {
  for (int64_t j = 0; j < kNr; j += t.cols) t.run(k, a, a_stride, b + j * kKr, row_init, c + j, ldc);
}

}  // namespace

void gemm(int64_t rows, int64_t k, const void* a_rows, int64_t a_stride, const void* b_panel, const int32_t* row_init,
          int32_t* c, int64_t ldc) noexcept {
  const int8_t* a = static_cast<const int8_t*>(a_rows);
  const int8_t* b = static_cast<const int8_t*>(b_panel);
  const Tile& t = kTiles[rows - 1];
  const int64_t whole = k / kKr * kKr, odd = k - whole;
  for (int64_t p = 0; p < whole; p += kDepth) {
    const int64_t depth = whole - p < kDepth ? whole - p : kDepth;
    row_of_tiles(t, depth, a + p, a_stride, b + p * kNr, p == 0 ? row_init : nullptr, c, ldc);
  }
  if (odd) {  // the last step reads a copy, with zeros
    int8_t ends[kMr * kKr] = {};
    for (int64_t i = 0; i < rows; ++i) std::memcpy(ends + i * kKr, a + i * a_stride + whole, static_cast<size_t>(odd));
    row_of_tiles(t, kKr, ends, kKr, b + whole * kNr, whole == 0 ? row_init : nullptr, c, ldc);
  }
}

}  // namespace a8w8::neon_dot
