// The AVX2 tile: 6 x 16 sums, k in pairs.
//
// AVX2 has no exact multiply-add of bytes: vpmaddubsw saturates its sums of two products in int16 (-128 * -128 twice is
// 32768). So both operands are widened to int16 and vpmaddwd adds pairs of products in int32, which is exact.
//
// 16 registers: 6 * 2 accumulators, 2 of b, 1 of a and 1 product. A step of k = 2 is 12 vpmaddwd, 12 vpaddd and the two
// widenings of b, 26 operations on the four vector ports of a Zen 3 (vpmaddwd on two of them): 6.5 cycles for 192
// products, against 6 cycles if vpmaddwd alone counted. Measured: 160 GOP/s of the 173 that vpmaddwd allows at 2.7 GHz,
// b in L1 or in L2. a is widened when it is packed, so that a row is one broadcast from memory; b stays at a byte an
// element: with b of int16 the loop is no faster in L1 (161 GOP/s) and slower from L2 (153), and packed weights are
// twice as large.
#include <immintrin.h>

#include <cstring>

#include "kernels/avx2/kernels.h"

namespace a8w8::avx2 {
namespace {

static_assert(kMr == 6 && kNr == 16 && kKr == 2);

// The first tile of a panel meets it in L3 or memory, and tiles of few rows are done before it has come. The stream
// runs on into the next panel, which the same thread takes. Later tiles find it in L2, and a request more costs them
// nothing.
constexpr int ahead_for(int rows) { return rows == 1 ? 2048 : 4096; }  // bytes

[[gnu::always_inline]] inline void load_row(const int32_t* c, __m256i (&acc)[2]) {
  acc[0] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(c));
  acc[1] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(c + 8));
}

[[gnu::always_inline]] inline void store_row(const __m256i (&acc)[2], int32_t* c) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(c), acc[0]);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(c + 8), acc[1]);
}

// Two k of eight columns as int16.
[[gnu::always_inline]] inline __m256i load_b(const int8_t* b) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b)));
}

[[gnu::always_inline]] inline void multiply_row(const int16_t* a, __m256i b0, __m256i b1, __m256i (&acc)[2]) {
  int32_t pair;
  std::memcpy(&pair, a, sizeof pair);
  const __m256i a2 = _mm256_set1_epi32(pair);
  acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(a2, b0));
  acc[1] = _mm256_add_epi32(acc[1], _mm256_madd_epi16(a2, b1));
}

// The loops over rows are unrolled, so that every index is a constant and the accumulators stay in registers.
template <int R>
void tile(int64_t k, const int16_t* a, const int8_t* b, const int32_t* row_init, int32_t* c, int64_t ldc) {
  __m256i acc[R][2];
#pragma GCC unroll 6
  for (int i = 0; i < R; ++i) {
    if (row_init) {
      acc[i][0] = acc[i][1] = _mm256_set1_epi32(row_init[i]);
    } else {
      load_row(c + i * ldc, acc[i]);
    }
  }
  for (int64_t p = 0; p < k; p += kKr, a += R * kKr, b += kNr * kKr) {
    _mm_prefetch(reinterpret_cast<const char*>(b + ahead_for(R)), _MM_HINT_T0);
    const __m256i b0 = load_b(b);
    const __m256i b1 = load_b(b + 16);
#pragma GCC unroll 6
    for (int i = 0; i < R; ++i) multiply_row(a + i * kKr, b0, b1, acc[i]);
  }
#pragma GCC unroll 6
  for (int i = 0; i < R; ++i) store_row(acc[i], c + i * ldc);
}

using TileFn = void(int64_t k, const int16_t* a, const int8_t* b, const int32_t* row_init, int32_t* c, int64_t ldc);
constexpr TileFn* kTiles[kMr] = {tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>};

}  // namespace

void gemm(int64_t rows, int64_t k, const void* a_panel, int64_t /*a_stride*/, const void* b_panel,
          const int32_t* row_init, int32_t* c, int64_t ldc) noexcept {
  kTiles[rows - 1](k, static_cast<const int16_t*>(a_panel), static_cast<const int8_t*>(b_panel), row_init, c, ldc);
}

// [streams] One row against kBeside panels side by side: memory that is read at several places at once comes faster.
void gemm_row_beside(int64_t k, const void* a_row, const void* b_panels, int64_t panel_bytes, const int32_t* row_init,
                     int32_t* c) noexcept {
  const int16_t* a = static_cast<const int16_t*>(a_row);
  const int8_t* b = static_cast<const int8_t*>(b_panels);
  __m256i acc[kBeside][2];
#pragma GCC unroll 4
  for (int p = 0; p < kBeside; ++p) acc[p][0] = acc[p][1] = _mm256_set1_epi32(*row_init);
  for (int64_t q = 0; q < k; q += kKr, a += kKr, b += kNr * kKr) {
#pragma GCC unroll 4
    for (int p = 0; p < kBeside; ++p) {
      multiply_row(a, load_b(b + p * panel_bytes), load_b(b + p * panel_bytes + 16), acc[p]);
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < kBeside; ++p) store_row(acc[p], c + p * kNr);
}

}  // namespace a8w8::avx2
