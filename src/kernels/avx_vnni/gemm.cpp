// The AVX-VNNI tile: 6 x 16 sums, k in fours. vpdpbusd, here in its VEX encoding, adds four products of an unsigned and
// a signed byte to each int32, exactly. b is the unsigned operand, as s8 + 128: see [s8s8-compensation] in
// kernels/gemm_kernel.h. Rows of a are read where they lie, as AVX512-VNNI's tile does.
//
// 16 registers: 6 * 2 accumulators, 2 of b, 1 of a. A step of k = 4 is 12 vpdpbusd and 8 loads. With two vpdpbusd a
// cycle (Intel's P-cores, Zen 5) that is 6 cycles, within which each accumulator is used once: the latency of 5 is
// hidden, and 8 loads fit into 6 cycles of two. b is read at 64 bytes per 6 cycles, from L2 once for every six rows.
// Not measured where the VEX encoding exists; on a Zen 4 the same instructions, encoded as EVEX, make 468 GOP/s of the
// 469 that two a cycle allow at 3.66 GHz, b in L1 or in L2.
#include <immintrin.h>

#include <cstring>

#include "kernels/avx_vnni/kernels.h"

namespace a8w8::avx_vnni {
namespace {

constexpr int kVectors = 2, kLanes = 8;
static_assert(kMr == 6 && kNr == kVectors * kLanes && kKr == 4);

[[gnu::always_inline]] inline __m256i load(const void* x) { return _mm256_loadu_si256(static_cast<const __m256i*>(x)); }

// The last `count` < 4 bytes of a row, then zeros.
int32_t load_tail(const int8_t* x, int64_t count) {
  int32_t four = 0;
  std::memcpy(&four, x, static_cast<size_t>(count));
  return four;
}

// The loops over rows are unrolled, so that every index is a constant and the accumulators stay in registers. four(i)
// is a(i, p .. p + 3).
template <int R, class Four>
[[gnu::always_inline]] inline void step(const int8_t* b, Four four, __m256i (&acc)[R][kVectors]) {
  const __m256i b0 = load(b), b1 = load(b + kLanes * kKr);
#pragma GCC unroll 6
  for (int i = 0; i < R; ++i) {
    const __m256i a4 = _mm256_set1_epi32(four(i));
    acc[i][0] = _mm256_dpbusd_avx_epi32(acc[i][0], b0, a4);
    acc[i][1] = _mm256_dpbusd_avx_epi32(acc[i][1], b1, a4);
  }
}

template <int R>
void tile(int64_t k, const int8_t* a, int64_t a_stride, const int8_t* b, const int32_t* row_init, int32_t* c,
          int64_t ldc) {
  const int64_t odd = k % kKr;
  int32_t tail[R];
  for (int i = 0; odd && i < R; ++i) tail[i] = load_tail(a + i * a_stride + (k - odd), odd);
  __m256i acc[R][kVectors];
#pragma GCC unroll 6
  for (int i = 0; i < R; ++i) {
    if (row_init) {
      acc[i][0] = acc[i][1] = _mm256_set1_epi32(row_init[i]);
    } else {
      acc[i][0] = load(c + i * ldc);
      acc[i][1] = load(c + i * ldc + kLanes);
    }
  }
  for (const int8_t* const end = a + (k - odd); a != end; a += kKr, b += kNr * kKr) {
    const auto four = [=](int i) __attribute__((always_inline)) {
      int32_t bytes;
      std::memcpy(&bytes, a + i * a_stride, sizeof bytes);
      return bytes;
    };
    step<R>(b, four, acc);
  }
  const auto last = [&](int i) __attribute__((always_inline)) { return tail[i]; };
  if (odd) step<R>(b, last, acc);
#pragma GCC unroll 6
  for (int i = 0; i < R; ++i) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(c + i * ldc), acc[i][0]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(c + i * ldc + kLanes), acc[i][1]);
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

}  // namespace a8w8::avx_vnni
