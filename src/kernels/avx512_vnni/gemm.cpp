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

// Loops over rows and vectors are written as folds, so that every index is a constant and the accumulators stay in
// registers.
template <int... I>
struct Indices {};
using Rows = Indices<0, 1, 2, 3, 4, 5>;
using Vectors = Indices<0, 1, 2, 3>;
constexpr int kVectors = 4, kLanes = 16;
static_assert(kMr == 6 && kNr == kVectors * kLanes && kKr == 4);

template <int... V>
[[gnu::always_inline]] inline void fill_row(Indices<V...>, int32_t value, __m512i (&acc)[kVectors]) {
  ((acc[V] = _mm512_set1_epi32(value)), ...);
}

template <int... V>
[[gnu::always_inline]] inline void load_row(Indices<V...>, const void* x, __m512i (&row)[kVectors]) {
  ((row[V] = _mm512_loadu_si512(static_cast<const int8_t*>(x) + 64 * V)), ...);
}

template <int... V>
[[gnu::always_inline]] inline void store_row(Indices<V...>, const __m512i (&acc)[kVectors], int32_t* c) {
  (_mm512_storeu_si512(c + kLanes * V, acc[V]), ...);
}

template <int... V>
[[gnu::always_inline]] inline void multiply_row(Indices<V...>, const int8_t* a, const __m512i (&b)[kVectors],
                                                __m512i (&acc)[kVectors]) {
  int32_t four;
  std::memcpy(&four, a, sizeof four);
  const __m512i a4 = _mm512_set1_epi32(four);
  ((acc[V] = _mm512_dpbusd_epi32(acc[V], b[V], a4)), ...);
}

template <int... I>
[[gnu::always_inline]] inline void tile(Indices<I...>, int64_t k, const int8_t* a, const int8_t* b,
                                        const int32_t* row_init, int32_t* c, int64_t ldc) {
  constexpr Vectors vectors;
  __m512i acc[kMr][kVectors];
  if (row_init) {
    (fill_row(vectors, row_init[I], acc[I]), ...);
  } else {
    (load_row(vectors, c + I * ldc, acc[I]), ...);
  }
  for (int64_t p = 0; p < k; p += kKr, a += kMr * kKr, b += kNr * kKr) {
    __m512i b4[kVectors];
    load_row(vectors, b, b4);
    (multiply_row(vectors, a + I * kKr, b4, acc[I]), ...);
  }
  (store_row(vectors, acc[I], c + I * ldc), ...);
}

}  // namespace

void gemm(int64_t k, const void* a_panel, const void* b_panel, const int32_t* row_init, int32_t* c,
          int64_t ldc) noexcept {
  tile(Rows{}, k, static_cast<const int8_t*>(a_panel), static_cast<const int8_t*>(b_panel), row_init, c, ldc);
}

}  // namespace a8w8::avx512_vnni
