// vpdpbusd. Sixteen sums: up to two start in a cycle, and a sum is back after 5 cycles.
#include <immintrin.h>

#include "kernels/avx512_vnni/kernels.h"

namespace a8w8::avx512_vnni {
namespace {

constexpr int kSums = 16;
constexpr int kMultiplyAdds = 64;  // in one vpdpbusd

[[gnu::always_inline]] inline __m128i fold(__m512i v) {
  const __m256i half = _mm256_or_si256(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
  return _mm_or_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

}  // namespace

int64_t peak(int64_t steps, int32_t* seed) noexcept {
  const __m512i a = _mm512_set1_epi32(*seed), b = _mm512_set1_epi32(*seed ^ 0x01020304);
  __m512i acc[kSums];
#pragma GCC unroll 16
  for (int i = 0; i < kSums; ++i) acc[i] = _mm512_set1_epi32(i);
  for (int64_t s = 0; s < steps; ++s) {
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) acc[i] = _mm512_dpbusd_epi32(acc[i], a, b);
  }
#pragma GCC unroll 16
  for (int i = 1; i < kSums; ++i) acc[0] = _mm512_add_epi32(acc[0], acc[i]);
  *seed = _mm_cvtsi128_si32(_mm512_castsi512_si128(acc[0]));
  return steps * kSums * kMultiplyAdds;
}

uint64_t read(const void* data, int64_t bytes, int64_t streams, int64_t ahead) noexcept {
  constexpr int kLoads = kReadStep / 64;
  const int64_t part = bytes / streams;
  __m512i acc[kLoads];
#pragma GCC unroll 4
  for (int i = 0; i < kLoads; ++i) acc[i] = _mm512_setzero_si512();
  for (int64_t at = 0; at < part; at += kReadStep) {
    for (int64_t s = 0; s < streams; ++s) {
      const char* p = static_cast<const char*>(data) + s * part + at;
#pragma GCC unroll 4
      for (int i = 0; i < kLoads; ++i) {
        if (ahead) _mm_prefetch(p + 64 * i + ahead, _MM_HINT_T0);
        acc[i] = _mm512_or_si512(acc[i], _mm512_loadu_si512(p + 64 * i));
      }
    }
  }
#pragma GCC unroll 4
  for (int i = 1; i < kLoads; ++i) acc[0] = _mm512_or_si512(acc[0], acc[i]);
  const __m128i all = fold(acc[0]);
  return static_cast<uint64_t>(_mm_cvtsi128_si64(all) | _mm_extract_epi64(all, 1));
}

}  // namespace a8w8::avx512_vnni
