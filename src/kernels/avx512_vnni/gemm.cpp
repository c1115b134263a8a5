// The AVX512-VNNI tile: 6 x 64 sums, k in fours. vpdpbusd adds four products of an unsigned and a signed byte to each
// int32, exactly. b is the unsigned operand, as s8 + 128: see [s8s8-compensation] in kernels/gemm_kernel.h.
//
// Rows of a are read where they lie: a broadcast from memory does not mind where, six lines at a stride of 4096 bytes
// fit the eight ways of a set of L1, and nothing is written that other cores have read. (Packed by all threads, a cost
// 8 % of the time at m = 128 on two cores of a Zen 4: each line had to be taken back from the other core.)
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
// registers. four(i) is a(i, p .. p + 3).
template <int R, class Four>
[[gnu::always_inline]] inline void step(const int8_t* b, Four four, __m512i (&acc)[R][kVectors]) {
  __m512i b4[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    b4[v] = _mm512_loadu_si512(b + 64 * v);
    _mm_prefetch(reinterpret_cast<const char*>(b + 64 * v + kAhead), _MM_HINT_T0);
  }
#pragma GCC unroll 6
  for (int i = 0; i < R; ++i) {
    const __m512i a4 = _mm512_set1_epi32(four(i));
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) acc[i][v] = _mm512_dpbusd_epi32(acc[i][v], b4[v], a4);
  }
}

int32_t load_tail(const int8_t* x, int64_t count) {
  uint32_t bytes = 0;
  for (int64_t q = 0; q < count; ++q) bytes |= static_cast<uint32_t>(static_cast<uint8_t>(x[q])) << (8 * q);
  return static_cast<int32_t>(bytes);
}

template <int R>
void tile(int64_t k, const int8_t* a, int64_t a_stride, const int8_t* b, const int32_t* row_init, int32_t* c,
          int64_t ldc) {
  __m512i acc[R][kVectors];
#pragma GCC unroll 6
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      acc[i][v] = row_init ? _mm512_set1_epi32(row_init[i]) : _mm512_loadu_si512(c + i * ldc + kLanes * v);
    }
  }
  const int64_t odd = k % kKr;
  const int8_t* const end = a + (k - odd);
  int32_t tail[R];  // the last one to three k of each row
  for (int i = 0; odd && i < R; ++i) tail[i] = load_tail(end + i * a_stride, odd);
  for (; a != end; a += kKr, b += kNr * kKr) {
    const auto four = [=](int i) __attribute__((always_inline)) {
      int32_t bytes;
      std::memcpy(&bytes, a + i * a_stride, sizeof bytes);
      return bytes;
    };
    step<R>(b, four, acc);
  }
  if (odd)
    step<R>(
        b, [&](int i) __attribute__((always_inline)) { return tail[i]; }, acc);
#pragma GCC unroll 6
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) _mm512_storeu_si512(c + i * ldc + kLanes * v, acc[i][v]);
  }
}

using TileFn = void(int64_t k, const int8_t* a, int64_t a_stride, const int8_t* b, const int32_t* row_init, int32_t* c,
                    int64_t ldc);
constexpr TileFn* kTiles[kMr] = {tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>};

}  // namespace

void gemm(int64_t rows, int64_t k, const void* a, int64_t a_stride, const void* b_panel, const int32_t* row_init,
          int32_t* c, int64_t ldc) noexcept {
  kTiles[rows - 1](k, static_cast<const int8_t*>(a), a_stride, static_cast<const int8_t*>(b_panel), row_init, c, ldc);
}

}  // namespace a8w8::avx512_vnni
