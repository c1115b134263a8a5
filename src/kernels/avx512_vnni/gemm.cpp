// The AVX512-VNNI tile: 6 x 64 sums, k in fours. vpdpbusd adds four products of an unsigned and a signed byte to each
// int32, exactly. b is the unsigned operand, as s8 + 128: see [s8s8-compensation] in kernels/gemm_kernel.h.
//
// 32 registers: 6 * 4 accumulators, 4 of b, 1 of a. A step of k = 4 is 24 vpdpbusd and 10 loads. With two vpdpbusd a
// cycle (Intel server cores, Zen 5) that is 12 cycles, within which each accumulator is used once: the latency of 5 is
// hidden, and loads are below one a cycle of the two there are. Zen 4 does one 512-bit vpdpbusd a cycle and has slack
// everywhere else. The tile is wide rather than tall so that c is written in whole cache lines and b, the larger
// operand, is read from L2 once for every six rows: 256 bytes per 12 cycles, a third of what L2 delivers.
#include <immintrin.h>

#include <cstring>

#include "kernels/avx512_vnni/kernels.h"

namespace a8w8::avx512_vnni {
namespace {

constexpr int kVectors = 4, kLanes = 16;
static_assert(kMr == 6 && kNr == kVectors * kLanes && kKr == 4);
constexpr int64_t kAhead = 2048;  // bytes of b that are asked for before they are needed

// All loops over rows and vectors are unrolled, so that every index is a constant and the accumulators stay in
// registers.
template <int R>
[[gnu::always_inline]] inline void step(const int8_t* a, const int8_t* b, __m512i (&acc)[R][kVectors]) {
  __m512i b4[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    b4[v] = _mm512_loadu_si512(b + 64 * v);
    _mm_prefetch(reinterpret_cast<const char*>(b + 64 * v + kAhead), _MM_HINT_T0);
  }
#pragma GCC unroll 6
  for (int i = 0; i < R; ++i) {
    int32_t four;
    std::memcpy(&four, a + i * kKr, sizeof four);
    const __m512i a4 = _mm512_set1_epi32(four);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) acc[i][v] = _mm512_dpbusd_epi32(acc[i][v], b4[v], a4);
  }
}

template <int R>
void tile(int64_t k, const int8_t* a, const int8_t* b, const int32_t* row_init, int32_t* c, int64_t ldc) {
  __m512i acc[R][kVectors];
#pragma GCC unroll 6
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      acc[i][v] = row_init ? _mm512_set1_epi32(row_init[i]) : _mm512_loadu_si512(c + i * ldc + kLanes * v);
    }
  }
  for (int64_t p = 0; p < k; p += kKr, a += R * kKr, b += kNr * kKr) step<R>(a, b, acc);
#pragma GCC unroll 6
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) _mm512_storeu_si512(c + i * ldc + kLanes * v, acc[i][v]);
  }
}

using TileFn = void(int64_t k, const int8_t* a, const int8_t* b, const int32_t* row_init, int32_t* c, int64_t ldc);
constexpr TileFn* kTiles[kMr] = {tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>};

}  // namespace

void gemm(int64_t rows, int64_t k, const void* a_panel, const void* b_panel, const int32_t* row_init, int32_t* c,
          int64_t ldc) noexcept {
  kTiles[rows - 1](k, static_cast<const int8_t*>(a_panel), static_cast<const int8_t*>(b_panel), row_init, c, ldc);
}

}  // namespace a8w8::avx512_vnni
