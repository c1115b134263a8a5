// Rows of a times rows of b that hold int4, two a byte, as they lie: half the bytes of int8, and no copy of them.
//
// 64 bytes of b are 128 k. Even k are the low halves, odd ones the high halves: v & 15 and (v >> 4) & 15, and flipping
// the sign bit, ^ 8, makes them b + 8 >= 0, the unsigned operand of vpdpbusd. Masking and flipping are one vpternlogd.
// So the panel of a has, for each 128 k of a row, the 64 even ones and then the 64 odd ones; row_init = -8 * sum_k a.
//
// M rows of a against R rows of b are M * R accumulators, 2 M registers of a and two constants; a step is 2 M R
// vpdpbusd against R loads and 3 R operations on b. (M, R) is (1..2, 8), (3..4, 4). Lines are asked for as in
// [dot-prefetch], dot.cpp.
#include "kernels/avx512_vnni/dot_pass.h"
#include "kernels/avx512_vnni/kernels.h"

namespace a8w8::avx512_vnni {
namespace {

constexpr int kMaxRows = 4;                                     // of a in one pass
constexpr int cols_for(int rows) { return rows <= 2 ? 8 : 4; }  // rows of b in flight: columns of c
static_assert(kDotInt4Kr == 2 * kStep);

template <int M>
void pass(const Pass& x) {
  constexpr int kCols = cols_for(M);
  const __m512i low = _mm512_set1_epi8(15), sign = _mm512_set1_epi8(8);
  const int8_t* rows[kCols];
  for (int r = 0; r < kCols; ++r) rows[r] = x.b + (r < x.cols ? r : x.cols - 1) * x.ldb;
  __m512i acc[M][kCols];
#pragma GCC unroll 4
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 8
    for (int r = 0; r < kCols; ++r) acc[i][r] = _mm512_setzero_si512();
  }
  const int8_t* a = x.a;
  for (int64_t p = 0; p < x.bytes; p += kStep, a += x.a_step) {
    const __mmask64 mask = bytes_left(x, p);
    __m512i even[M], odd[M];
#pragma GCC unroll 4
    for (int i = 0; i < M; ++i) {
      even[i] = _mm512_loadu_si512(a + i * kDotInt4Kr);
      odd[i] = _mm512_loadu_si512(a + i * kDotInt4Kr + kStep);
      settle(even[i]), settle(odd[i]);  // one load, not one for each column
    }
#pragma GCC unroll 8
    for (int r = 0; r < kCols; ++r) {
      const __m512i v = load_b(x, rows[r], p, mask);
      const __m512i b_even = _mm512_ternarylogic_epi32(v, low, sign, 0x6a);  // (v & low) ^ sign
      const __m512i b_odd = _mm512_ternarylogic_epi32(_mm512_srli_epi16(v, 4), low, sign, 0x6a);
#pragma GCC unroll 4
      for (int i = 0; i < M; ++i) {
        acc[i][r] = _mm512_dpbusd_epi32(acc[i][r], b_even, even[i]);
        acc[i][r] = _mm512_dpbusd_epi32(acc[i][r], b_odd, odd[i]);
      }
    }
  }
  store_sums<M, kCols>(x, acc);
}

constexpr PassFn* kPasses[kMaxRows] = {pass<1>, pass<2>, pass<3>, pass<4>};

}  // namespace

void dot_int4(int64_t m, int64_t n, int64_t k, const void* a_panel, const int32_t* row_init, const int8_t* b,
              int64_t ldb, int32_t* c, int64_t ldc) noexcept {
  const Pass all{static_cast<const int8_t*>(a_panel), 0, row_init, k / 2, b, ldb, n, 0, c, ldc};
  const int64_t step = cols_for(m <= kMaxRows ? static_cast<int>(m) : kMaxRows);
  for_each_pass(m, n, kMaxRows, step, kDotInt4Kr, all, kPasses);
}

// Blocks of 128 k, one row after the other: 64 even ones, 64 odd ones.
void pack_dot_int4_a(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
                     int32_t* row_init) noexcept {
  int8_t* out = static_cast<int8_t*>(panel);
  for (int64_t i = 0; i < rows; ++i) {
    int32_t sum = 0;  // of at most 65535 times 128
    for (int64_t p0 = 0; p0 < k; p0 += kDotInt4Kr) {
      int8_t* block = out + p0 * rows + i * kDotInt4Kr;
      const int8_t* x = a + i * row_stride + p0 * k_stride;
      const int64_t count = k - p0 < kDotInt4Kr ? k - p0 : kDotInt4Kr;
      for (int64_t q = 0; q < kStep; ++q) {
        block[q] = 2 * q < count ? x[2 * q * k_stride] : int8_t{0};
        block[kStep + q] = 2 * q + 1 < count ? x[(2 * q + 1) * k_stride] : int8_t{0};
        sum += block[q] + block[kStep + q];
      }
    }
    row_init[i] = -8 * sum;
  }
}

}  // namespace a8w8::avx512_vnni
