// What the dot kernels of this folder share. Everything has internal linkage: a copy compiled with this folder's flags
// must not serve another one.
#pragma once

#include <immintrin.h>

namespace a8w8::avx512_vnni {
namespace {

// Element r of the result is the sum of the sixteen lanes of v[r], r < 4.
[[gnu::always_inline]] inline __m128i sums(const __m512i* v) {
  const __m512i v01 = _mm512_add_epi32(_mm512_unpacklo_epi32(v[0], v[1]), _mm512_unpackhi_epi32(v[0], v[1]));
  const __m512i v23 = _mm512_add_epi32(_mm512_unpacklo_epi32(v[2], v[3]), _mm512_unpackhi_epi32(v[2], v[3]));
  const __m512i s = _mm512_add_epi32(_mm512_unpacklo_epi64(v01, v23), _mm512_unpackhi_epi64(v01, v23));
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(s), _mm512_extracti64x4_epi64(s, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

// Ends the life of one register and begins another's. Without it, GCC 12 arranges the accumulators for the additions
// after the loop and keeps some of them in memory within it (75 moves a step for six rows).
[[gnu::always_inline]] inline void settle(__m512i& v) {
#if defined(__AVX512F__)  // not where the tests emulate it
  __asm__("" : "+v"(v));
#else
  (void)v;
#endif
}

}  // namespace
}  // namespace a8w8::avx512_vnni
