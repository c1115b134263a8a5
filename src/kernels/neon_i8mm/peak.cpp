// smmla. Sixteen sums, as for sdot (kernels/neon_dot/peak.cpp).
#include <arm_neon.h>

#include <cstdint>

#include "kernels/neon_i8mm/kernels.h"

namespace a8w8::neon_i8mm {
namespace {

constexpr int kSums = 16;
constexpr int kMultiplyAdds = 32;  // in one smmla

}  // namespace

int64_t peak(int64_t steps, int32_t* seed) noexcept {
  const int8x16_t a = vreinterpretq_s8_s32(vdupq_n_s32(*seed));
  const int8x16_t b = vreinterpretq_s8_s32(vdupq_n_s32(*seed ^ 0x01020304));
  int32x4_t acc[kSums];
#pragma GCC unroll 16
  for (int i = 0; i < kSums; ++i) acc[i] = vdupq_n_s32(i);
  for (int64_t s = 0; s < steps; ++s) {
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) acc[i] = vmmlaq_s32(acc[i], a, b);
  }
#pragma GCC unroll 16
  for (int i = 1; i < kSums; ++i) acc[0] = vaddq_s32(acc[0], acc[i]);
  *seed = vgetq_lane_s32(acc[0], 0);
  return steps * kSums * kMultiplyAdds;
}

}  // namespace a8w8::neon_i8mm
