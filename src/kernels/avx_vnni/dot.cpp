// Rows of a times rows of b as they lie. b becomes the unsigned operand of vpdpbusd by b ^ 0x80 = b + 128 in each byte;
// what that adds is undone by row_init (see [s8s8-compensation] in kernels/gemm_kernel.h).
//
// M rows of a against R rows of b take M * R accumulators, R registers of b and one of 0x80; a comes from memory. The
// latency of vpdpbusd, 5 cycles at two a cycle, asks for ten in flight: (1, 4) and (3, 2) have two sets of
// accumulators, for the even and the odd steps, (2, 4) (4, 2) (5, 2) (6, 2) one of 8 to 12. With m = 1 two steps of 128
// bytes of b then take 5 cycles, as much as L2 delivers. Four rows of b are in flight; more than six of a take several
// passes over those four, which are in L1 by then. The rows that come next are fetched into L2 meanwhile, see
// [next-rows] in kernels/avx2/dot.cpp.
//
// Not measured where the VEX encoding exists; on a Zen 4, in EVEX encoding, m = 1 reads 78 GB/s from L2 and 62 from L3,
// m = 6 makes 335 GOP/s.
#include <immintrin.h>

#include <cstring>

#include "kernels/avx_vnni/kernels.h"

namespace a8w8::avx_vnni {
namespace {

constexpr int kStep = 32;    // elements of k in one register
constexpr int kLine = 64;    // bytes of a cache line: two steps
constexpr int kCols = 4;     // rows of b in flight: columns of c
constexpr int kMaxRows = 6;  // of a in one pass
static_assert(kDotKr == kLine);

[[gnu::always_inline]] inline __m256i load(const int8_t* x) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
}

struct Rows {
  const int8_t* a;      // the first of M rows in their panel
  int64_t a_step;       // from one block of k to the next
  const int32_t* init;  // null: the sums are added to c
  int32_t* c;
  int64_t ldc;
};

// The sum of all lanes of each of the first `cols` columns is a sum of c. A function of its own: where GCC sees what
// becomes of the accumulators, it keeps them twice, in two vector types, and the second copy in memory.
template <int R, int S>
[[gnu::noinline]] void store_row(const int32_t (&lanes)[R][S][8], const int32_t* init, int64_t cols, int32_t* c) {
  for (int64_t r = 0; r < cols; ++r) {
    __m256i v = _mm256_load_si256(reinterpret_cast<const __m256i*>(lanes[r][0]));
    if (S == 2) v = _mm256_add_epi32(v, _mm256_load_si256(reinterpret_cast<const __m256i*>(lanes[r][S - 1])));
    const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    const __m128i two = _mm_hadd_epi32(four, four), one = _mm_hadd_epi32(two, two);
    c[r] = _mm_cvtsi128_si32(_mm_add_epi32(one, _mm_cvtsi32_si128(init ? *init : c[r])));
  }
}

// R columns of c from `cols` <= R rows of b, k a multiple of 64; the missing rows repeat the last one and are not
// stored. The rows `ahead` bytes further are needed next.
template <int M, int R>
[[gnu::always_inline]] inline void columns(const Rows& x, int64_t cols, int64_t k, const int8_t* b, int64_t ldb,
                                           int64_t ahead) {
  const int8_t* rows[R];
  for (int r = 0; r < R; ++r) rows[r] = b + (r < cols ? r : cols - 1) * ldb;
  constexpr int kSets = M * R <= 6 ? 2 : 1;  // few accumulators come in two sets, for the even and the odd steps
  __m256i acc[kSets][M][R];
#pragma GCC unroll 2
  for (int s = 0; s < kSets; ++s) {
#pragma GCC unroll 6
    for (int i = 0; i < M; ++i) {
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) acc[s][i][r] = _mm256_setzero_si256();
    }
  }
  auto step = [&](__m256i(&sums)[M][R], const int8_t* a, int64_t p) __attribute__((always_inline)) {
    __m256i b4[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) b4[r] = _mm256_xor_si256(load(rows[r] + p), _mm256_set1_epi8(-128));
#pragma GCC unroll 6
    for (int i = 0; i < M; ++i) {
      const __m256i a4 = load(a + i * kLine);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) sums[i][r] = _mm256_dpbusd_avx_epi32(sums[i][r], b4[r], a4);
    }
  };
  const int8_t* a = x.a;
  for (int64_t p = 0; p < k; p += kLine, a += x.a_step) {
    const int64_t next = p + ahead;
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) _mm_prefetch(reinterpret_cast<const char*>(rows[r] + next), _MM_HINT_T1);
    step(acc[0], a, p);
    step(acc[kSets - 1], a + kStep, p + kStep);
  }
  alignas(32) int32_t lanes[M][R][kSets][8];
#pragma GCC unroll 6
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
      for (int s = 0; s < kSets; ++s) _mm256_store_si256(reinterpret_cast<__m256i*>(lanes[i][r][s]), acc[s][i][r]);
    }
  }
  for (int i = 0; i < M; ++i) store_row(lanes[i], x.init ? x.init + i : nullptr, cols, x.c + i * x.ldc);
}

// The odd part of k, out of a buffer that fills it up with zeros. It stands apart: with nothing but one loop between
// the accumulators' beginning and their sums, GCC keeps one copy of them, in registers.
template <int M, int R>
[[gnu::noinline]] void odd_columns(const Rows& x, int64_t cols, int64_t k, const int8_t* b, int64_t ldb) {
  int8_t rows[R][kLine] = {};
  for (int64_t r = 0; r < cols; ++r) std::memcpy(rows[r], b + r * ldb, static_cast<size_t>(k));
  columns<M, R>(x, cols, kLine, rows[0], kLine, 0);
}

// M rows of a against `cols` rows of b, which are in L1 after the first R of them have passed.
template <int M, int R>
void pass(const Rows& x, int64_t cols, int64_t k, const int8_t* b, int64_t ldb, int64_t ahead) {
  const int64_t whole = k / kLine * kLine;
  for (int64_t j = 0; j < cols; j += R) {
    Rows at = x;
    at.c += j;
    const int64_t now = cols - j < R ? cols - j : R;
    if (whole) columns<M, R>(at, now, whole, b + j * ldb, ldb, ahead);
    if (whole == k) continue;
    at.a += whole / kLine * x.a_step;
    if (whole) at.init = nullptr;
    odd_columns<M, R>(at, now, k - whole, b + j * ldb + whole, ldb);
  }
}

using PassFn = void(const Rows& x, int64_t cols, int64_t k, const int8_t* b, int64_t ldb, int64_t ahead);
constexpr PassFn* kPasses[kMaxRows] = {pass<1, 4>, pass<2, 4>, pass<3, 2>, pass<4, 2>, pass<5, 2>, pass<6, 2>};

}  // namespace

void dot(int64_t m, int64_t n, int64_t k, const void* a_panel, const int32_t* row_init, const int8_t* b, int64_t ldb,
         int32_t* c, int64_t ldc) noexcept {
  const int8_t* a = static_cast<const int8_t*>(a_panel);
  const int64_t passes = (m + kMaxRows - 1) / kMaxRows;
  for (int64_t j = 0; j < n; j += kCols) {
    const int64_t cols = n - j < kCols ? n - j : kCols;
    for (int64_t t = 0; t < passes; ++t) {
      const int64_t i = t * m / passes, rows = (t + 1) * m / passes - i;
      const int64_t ahead = t == 0 && j + 2 * kCols <= n ? kCols * ldb : 0;
      const Rows x{a + i * kDotKr, m * kDotKr, row_init + i, c + i * ldc + j, ldc};
      kPasses[rows - 1](x, cols, k, b + j * ldb, ldb, ahead);
    }
  }
}

}  // namespace a8w8::avx_vnni
