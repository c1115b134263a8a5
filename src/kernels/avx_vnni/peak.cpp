// vpdpbusd, VEX-encoded. Twelve sums: up to two start in a cycle, and a sum is back after 5 cycles. Reading is AVX2's.
#include <immintrin.h>

#include "kernels/avx_vnni/kernels.h"

namespace a8w8::avx_vnni {
namespace {

constexpr int kSums = 12;
constexpr int kMultiplyAdds = 32;  // in one vpdpbusd

}  // namespace

int64_t peak(int64_t steps, int32_t* seed) noexcept {
  const __m256i a = _mm256_set1_epi32(*seed), b = _mm256_set1_epi32(*seed ^ 0x01020304);
  __m256i acc[kSums];
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) acc[i] = _mm256_set1_epi32(i);
  for (int64_t s = 0; s < steps; ++s) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) acc[i] = _mm256_dpbusd_avx_epi32(acc[i], a, b);
  }
#pragma GCC unroll 12
  for (int i = 1; i < kSums; ++i) acc[0] = _mm256_add_epi32(acc[0], acc[i]);
  *seed = _mm256_cvtsi256_si32(acc[0]);
  return steps * kSums * kMultiplyAdds;
}

}  // namespace a8w8::avx_vnni
