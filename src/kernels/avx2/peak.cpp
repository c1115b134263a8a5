// vpmaddwd and vpaddd: there is no exact multiply-add of bytes (see gemm.cpp). Two vpmaddwd start in a cycle, and only
// the additions wait for each other, one cycle: eight sums are more than enough.
#include <immintrin.h>

#include "kernels/avx2/kernels.h"

namespace a8w8::avx2 {
namespace {

constexpr int kSums = 8;
constexpr int kMultiplyAdds = 16;  // in one vpmaddwd

}  // namespace

int64_t peak(int64_t steps, int32_t* seed) noexcept {
  const __m256i b = _mm256_set1_epi32(*seed);
  __m256i a = _mm256_set1_epi32(*seed ^ 0x01020304);
  __m256i acc[kSums];
#pragma GCC unroll 8
  for (int i = 0; i < kSums; ++i) acc[i] = _mm256_setzero_si256();
  for (int64_t s = 0; s < steps; ++s) {
#pragma GCC unroll 8
    for (int i = 0; i < kSums; ++i) {
      acc[i] = _mm256_add_epi32(acc[i], _mm256_madd_epi16(a, b));
      // As far as the compiler knows, both are others now: each product must be computed, and each sum has one
      // register.
#if defined(__AVX2__)  // not where the tests emulate it
      __asm__("" : "+x"(a), "+x"(acc[i]));
#endif
    }
  }
#pragma GCC unroll 8
  for (int i = 1; i < kSums; ++i) acc[0] = _mm256_add_epi32(acc[0], acc[i]);
  *seed = _mm256_cvtsi256_si32(acc[0]);
  return steps * kSums * kMultiplyAdds;
}

uint64_t read(const void* data, int64_t bytes, int64_t streams, int64_t ahead) noexcept {
  constexpr int kLoads = kReadStep / 32;
  const int64_t part = bytes / streams;
  __m256i acc[kLoads];
#pragma GCC unroll 8
  for (int i = 0; i < kLoads; ++i) acc[i] = _mm256_setzero_si256();
  for (int64_t at = 0; at < part; at += kReadStep) {
    for (int64_t s = 0; s < streams; ++s) {
      const char* p = static_cast<const char*>(data) + s * part + at;
#pragma GCC unroll 8
      for (int i = 0; i < kLoads; ++i) {
        if (ahead && i % 2 == 0) _mm_prefetch(p + 32 * i + ahead, _MM_HINT_T0);
        acc[i] = _mm256_or_si256(acc[i], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32 * i)));
      }
    }
  }
#pragma GCC unroll 8
  for (int i = 1; i < kLoads; ++i) acc[0] = _mm256_or_si256(acc[0], acc[i]);
  const __m128i half = _mm_or_si128(_mm256_castsi256_si128(acc[0]), _mm256_extracti128_si256(acc[0], 1));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(half) | _mm_extract_epi64(half, 1));
}

}  // namespace a8w8::avx2
