// Rows of a times rows of b that hold int4, two a byte, as they lie: half the bytes of int8, and no copy of them.
//
// 32 bytes of b are 64 k. Even k are the low halves, odd ones the high halves; flipping their sign bits makes them
// b + 8, 0 to 15, the unsigned operand of vpmaddubsw, which cannot saturate then: four products are at most
// 4 * 15 * 128 = 7680. So the panel of a has, for each 64 k of a row, the 32 even ones and then the 32 odd ones;
// row_init = -8 * sum_k a.
//
// A step of M rows of a against R rows of b is 4 R operations on b and 5 M R for 64 M R products, where int8 needs 8 M
// R. (M, R) is (1..2, 4), (3..4, 2): 4 to 8 accumulators; a is read from L1 for each use.
#include "kernels/avx2/dot_pass.h"
#include "kernels/avx2/kernels.h"

namespace a8w8::avx2 {
namespace {

constexpr int kStep = 32;  // bytes of b in one register
static_assert(kDotInt4Kr == 2 * kStep);

[[gnu::always_inline]] inline __m256i load(const int8_t* x) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
}

[[gnu::always_inline]] inline __m256i load_tail(const int8_t* x, int64_t count) {
  alignas(32) int8_t bytes[kStep] = {};
  std::memcpy(bytes, x, static_cast<size_t>(count));
  return load(bytes);
}

// 64 k of a row, even ones first. Returns their sum, in parts.
__m256i store_a_block(const int8_t* x, int8_t* out) {
  const __m256i lo = load(x), hi = load(x + kStep), bytes = _mm256_set1_epi16(0xff), ones8 = _mm256_set1_epi8(1);
  const __m256i even = _mm256_packus_epi16(_mm256_and_si256(lo, bytes), _mm256_and_si256(hi, bytes));
  const __m256i odd = _mm256_packus_epi16(_mm256_srli_epi16(lo, 8), _mm256_srli_epi16(hi, 8));
  __m256i* const to = reinterpret_cast<__m256i*>(out);
  _mm256_storeu_si256(to, _mm256_permute4x64_epi64(even, _MM_SHUFFLE(3, 1, 2, 0)));
  _mm256_storeu_si256(to + 1, _mm256_permute4x64_epi64(odd, _MM_SHUFFLE(3, 1, 2, 0)));
  const __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(ones8, lo), _mm256_maddubs_epi16(ones8, hi));
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

// One step: adds the products of a row of a, 64 k, with b + 8.
[[gnu::always_inline]] inline __m256i multiply_add(__m256i acc, const int8_t* a, __m256i b_even, __m256i b_odd) {
  const __m256i even = _mm256_maddubs_epi16(b_even, load(a)), odd = _mm256_maddubs_epi16(b_odd, load(a + kStep));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_add_epi16(even, odd), _mm256_set1_epi16(1)));
}

// R columns of c from as many rows of b; missing rows repeat the last one and are not stored. kFetch: the rows `ahead`
// bytes further are needed next.
template <int M, int R, bool kFetch>
[[gnu::always_inline]] inline void columns(const Rows<int8_t>& x, Columns cols, int64_t bytes, const int8_t* b,
                                           int64_t ldb, int64_t ahead) {
  const __m256i low = _mm256_set1_epi8(15), signs = _mm256_set1_epi8(static_cast<char>(0x88));
  const int8_t* rows[R];
  for (int r = 0; r < R; ++r) rows[r] = b + (r < cols.count ? r : cols.count - 1) * cols.apart * ldb;
  __m256i acc[M][R];
#pragma GCC unroll 4
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) acc[i][r] = _mm256_setzero_si256();
  }
  auto step = [&](const int8_t* a, auto load_step) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const __m256i v = _mm256_xor_si256(load_step(rows[r]), signs);
      const __m256i even = _mm256_and_si256(v, low), odd = _mm256_and_si256(_mm256_srli_epi16(v, 4), low);
#pragma GCC unroll 4
      for (int i = 0; i < M; ++i) {
        acc[i][r] = multiply_add(acc[i][r], a + i * kDotInt4Kr, even, odd);
        settle(acc[i][r]);
      }
    }
  };
  // The odd part of k comes first, as in dot.cpp. What is beyond it in b meets zeros in a.
  const int64_t whole = bytes / kStep * kStep, rest = bytes - whole;
  if (rest) step(x.a + whole / kStep * x.a_step, [whole, rest](const int8_t* b) { return load_tail(b + whole, rest); });
  const int8_t* a = x.a;
  for (int64_t p = 0; p < whole; p += kStep, a += x.a_step) {
    if (kFetch && p % kLine == 0) {
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) _mm_prefetch(reinterpret_cast<const char*>(rows[r] + 2 * ahead + p), _MM_HINT_T1);
    }
    step(a, [p](const int8_t* b) { return load(b + p); });
  }
  store_sums<M, R>(x, cols, acc);
}

template <int M, int R>
void pass(const Rows<int8_t>& x, int64_t cols, int64_t k, const int8_t* b, int64_t ldb, int64_t ahead) {
  for (int64_t j = 0; j < cols; j += R) {
    Rows<int8_t> at = x;
    at.c += j;
    columns<M, R, true>(at, {cols - j < R ? cols - j : R, 1}, k / 2, b + j * ldb, ldb, ahead);
  }
}

template <int M, int R>
void stream(const Rows<int8_t>& all, int64_t n, int64_t k, const int8_t* b, int64_t ldb) {
  const int64_t quarter = n / kCols, streamed = quarter * kCols;
  Rows<int8_t> x = all;
  for (int64_t j = 0; j < quarter; ++j) {
    for (int64_t at = j; at < streamed; at += R * quarter) {
      x.c = all.c + at;
      columns<M, R, false>(x, {R, quarter}, k / 2, b + at * ldb, ldb, 0);
    }
  }
  x.c = all.c + streamed;
  pass<M, R>(x, n - streamed, k, b + streamed * ldb, ldb, 0);
}

constexpr PassFn<int8_t>* kPasses[] = {pass<1, 4>, pass<2, 4>, pass<3, 2>, pass<4, 2>};
constexpr StreamFn<int8_t>* kStreams[] = {stream<1, 4>, stream<2, 4>, stream<3, 2>, stream<4, 2>};

}  // namespace

void dot_int4(int64_t m, int64_t n, int64_t k, const void* a_panel, const int32_t* row_init, const int8_t* b,
              int64_t ldb, int32_t* c, int64_t ldc) noexcept {
  const Rows<int8_t> all{static_cast<const int8_t*>(a_panel), m * kDotInt4Kr, row_init, c, ldc};
  if (streams_suit<int8_t>(m, k)) return kStreams[m - 1](all, n, k, b, ldb);
  for_each_pass(all, kDotInt4Kr, m, n, k, b, ldb, kPasses);
}

// Blocks of 64 k, one row after the other: 32 even ones, 32 odd ones.
void pack_dot_int4_a(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
                     int32_t* row_init) noexcept {
  for (int64_t i = 0; i < rows; ++i) {
    __m256i sum = _mm256_setzero_si256();  // of at most 65535 times 128
    for (int64_t p0 = 0; p0 < k; p0 += kDotInt4Kr) {
      const int8_t* x = a + i * row_stride + p0 * k_stride;
      const int64_t count = k - p0 < kDotInt4Kr ? k - p0 : kDotInt4Kr;
      alignas(32) int8_t block[kDotInt4Kr] = {};
      if (k_stride != 1 || count < kDotInt4Kr) {
        for (int64_t q = 0; q < count; ++q) block[q] = x[q * k_stride];
        x = block;
      }
      sum = _mm256_add_epi32(sum, store_a_block(x, static_cast<int8_t*>(panel) + p0 * rows + i * kDotInt4Kr));
    }
    row_init[i] = -8 * _mm_cvtsi128_si32(sums(sum, sum, sum, sum));
  }
}

}  // namespace a8w8::avx2
