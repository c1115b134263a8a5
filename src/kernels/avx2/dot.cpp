// Rows of a times rows of b as they lie. a is widened to int16 when it is packed, b here, once for each M rows of a
// (why: see gemm.cpp).
//
// M rows of a against R rows of b take M * R accumulators, M registers of a, one of b and one product: (1, 4) (2, 4)
// (4, 2) are 4 to 8 accumulators. (3, 4) are 12, and a is read from L1 for each use: that is no faster in caches, but
// four rows of b at a time come sooner than two (3 x 4096 x 4096 from L3: 0.93 ms, not 1.06 ms). With m = 1 a step
// reads 64 bytes of b in 13 operations, 3.25 cycles of four ports: 20 bytes a cycle, several times what one core gets
// from memory.
//
// [next-rows] The rows of b that come next are fetched into L2 meanwhile: the hardware starts each row anew and stops
// at page ends. On a Zen 3, one core, n = k = 4096 (b in L3), that is 27 instead of 21 GB/s at m = 1 and 13 instead of
// 10 at m = 4.
#include "kernels/avx2/dot_pass.h"
#include "kernels/avx2/kernels.h"

namespace a8w8::avx2 {
namespace {

constexpr int kStep = 16;  // elements of k in one register of int16

[[gnu::always_inline]] inline __m256i load(const int8_t* x) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
}

[[gnu::always_inline]] inline __m256i load_tail(const int8_t* x, int64_t count) {
  alignas(16) int8_t bytes[kStep] = {};
  std::memcpy(bytes, x, static_cast<size_t>(count));
  return load(bytes);
}

// R columns of c from as many rows of b; missing rows repeat the last one and are not stored. kFetch: the rows `ahead`
// bytes further are needed next.
template <int M, int R, bool kFetch>
[[gnu::always_inline]] inline void columns(const Rows<int16_t>& x, Columns cols, int64_t k, const int8_t* b,
                                           int64_t ldb, int64_t ahead) {
  const int8_t* rows[R];
  for (int r = 0; r < R; ++r) rows[r] = b + (r < cols.count ? r : cols.count - 1) * cols.apart * ldb;
  __m256i acc[M][R];
#pragma GCC unroll 4
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) acc[i][r] = _mm256_setzero_si256();
  }
  auto step = [&](const int16_t* a, auto load_step) __attribute__((always_inline)) {
    __m256i a16[M];
#pragma GCC unroll 4
    for (int i = 0; i < M; ++i) {
      a16[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i * kStep));
      if constexpr (M * R <= 8) settle(a16[i]);  // one load, not one for each column, where there are registers for it
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const __m256i b16 = load_step(rows[r]);
#pragma GCC unroll 4
      for (int i = 0; i < M; ++i) {
        acc[i][r] = _mm256_add_epi32(acc[i][r], _mm256_madd_epi16(a16[i], b16));
        settle(acc[i][r]);
      }
    }
  };
  // The odd part of k comes first: with nothing but the loop before the sums, GCC keeps one copy of the accumulators.
  const int64_t whole = k / kStep * kStep, odd = k - whole;
  if (odd) step(x.a + whole / kStep * x.a_step, [whole, odd](const int8_t* b) { return load_tail(b + whole, odd); });
  const int16_t* a = x.a;
  for (int64_t p = 0; p < whole; p += kStep, a += x.a_step) {
    if (kFetch && p % kLine == 0) {
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) _mm_prefetch(reinterpret_cast<const char*>(rows[r] + ahead + p), _MM_HINT_T1);
    }
    step(a, [p](const int8_t* b) { return load(b + p); });
  }
  store_sums<M, R>(x, cols, acc);
}

// M rows of a against `cols` rows of b, which are in L1 after the first R of them have passed.
template <int M, int R>
void pass(const Rows<int16_t>& x, int64_t cols, int64_t k, const int8_t* b, int64_t ldb, int64_t ahead) {
  for (int64_t j = 0; j < cols; j += R) {
    Rows<int16_t> at = x;
    at.c += j;
    columns<M, R, true>(at, {cols - j < R ? cols - j : R, 1}, k, b + j * ldb, ldb, ahead);
  }
}

template <int M, int R>
void stream(const Rows<int16_t>& all, int64_t n, int64_t k, const int8_t* b, int64_t ldb) {
  const int64_t quarter = n / kCols, streamed = quarter * kCols;
  Rows<int16_t> x = all;
  for (int64_t j = 0; j < quarter; ++j) {
    for (int64_t at = j; at < streamed; at += R * quarter) {
      x.c = all.c + at;
      columns<M, R, false>(x, {R, quarter}, k, b + at * ldb, ldb, 0);
    }
  }
  x.c = all.c + streamed;
  pass<M, R>(x, n - streamed, k, b + streamed * ldb, ldb, 0);
}

constexpr PassFn<int16_t>* kPasses[] = {pass<1, 4>, pass<2, 4>, pass<3, 4>, pass<4, 2>};
constexpr StreamFn<int16_t>* kStreams[] = {stream<1, 4>, stream<2, 4>, stream<3, 4>, stream<4, 2>};

}  // namespace

void dot(int64_t m, int64_t n, int64_t k, const void* a_panel, const int32_t* row_init, const int8_t* b, int64_t ldb,
         int32_t* c, int64_t ldc) noexcept {
  static_assert(kDotKr == kStep);
  const Rows<int16_t> all{static_cast<const int16_t*>(a_panel), m * kStep, row_init, c, ldc};
  if (streams_suit<int16_t>(m, k)) return kStreams[m - 1](all, n, k, b, ldb);
  for_each_pass(all, kStep, m, n, k, b, ldb, kPasses);
}

}  // namespace a8w8::avx2
