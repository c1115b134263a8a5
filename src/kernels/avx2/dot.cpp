// Rows of a times rows of b as they lie. a is widened to int16 when it is packed, b here, once for each M rows of a
// (why: see gemm.cpp).
//
// M rows of a against R rows of b take M * R accumulators, M registers of a, one of b and one product: (1, 4) (2, 4)
// (4, 2) are 4 to 8 accumulators. (3, 4) are 12, and a is read from L1 for each use: that is no faster in caches, but
// four rows of b at a time come sooner than two (3 x 4096 x 4096 from L3: 0.93 ms, not 1.06 ms). With m = 1 a step
// reads 64 bytes of b in 13 operations, 3.25 cycles of four ports: 20 bytes a cycle, several times what one core gets
// from memory.
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

struct Int8 {
  using A = int16_t;
  static constexpr int64_t kRow = kDotKr;
  template <int M, int R, bool kFetch>
  [[gnu::always_inline]] static void columns(const Rows<A>& x, Columns cols, int64_t k, const int8_t* b, int64_t ldb,
                                             int64_t ahead);
};
static_assert(kDotKr == kStep);

template <int M, int R, bool kFetch>
inline void Int8::columns(const Rows<A>& x, Columns cols, int64_t k, const int8_t* b, int64_t ldb, int64_t ahead) {
  const int8_t* rows[R];
  find_rows(cols, b, ldb, rows);
  __m256i acc[M][R];
  clear(acc);
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

}  // namespace

void dot(int64_t m, int64_t n, int64_t k, const void* a_panel, const int32_t* row_init, const int8_t* b, int64_t ldb,
         int32_t* c, int64_t ldc) noexcept {
  run_dot<Int8, 4>(m, n, k, a_panel, row_init, b, ldb, c, ldc);
}

}  // namespace a8w8::avx2
