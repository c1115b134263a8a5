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

struct Int4 {
  using A = int8_t;
  static constexpr int64_t kRow = kDotInt4Kr;
  template <int M, int R, bool kFetch>
  [[gnu::always_inline]] static void columns(const Rows<A>& x, Columns cols, int64_t k, const int8_t* b, int64_t ldb,
                                             int64_t ahead);
};

template <int M, int R, bool kFetch>
inline void Int4::columns(const Rows<A>& x, Columns cols, int64_t k, const int8_t* b, int64_t ldb, int64_t ahead) {
  const __m256i low = _mm256_set1_epi8(15), signs = _mm256_set1_epi8(static_cast<char>(0x88));
  const int8_t* rows[R];
  find_rows(cols, b, ldb, rows);
  __m256i acc[M][R];
  clear(acc);
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
  const int64_t bytes = k / 2, whole = bytes / kStep * kStep, rest = bytes - whole;
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

}  // namespace

void dot_int4(int64_t m, int64_t n, int64_t k, const void* a_panel, const int32_t* row_init, const int8_t* b,
              int64_t ldb, int32_t* c, int64_t ldc) noexcept {
  run_dot<Int4, 2>(m, n, k, a_panel, row_init, b, ldb, c, ldc);
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
