// sdot. Sixteen sums: up to four start in a cycle, and a sum is back after 2 to 4 cycles.
#include <arm_neon.h>

#include <cstdint>

#include "kernels/neon_dot/kernels.h"

namespace a8w8::neon_dot {
namespace {

constexpr int kSums = 16;
constexpr int kMultiplyAdds = 16;  // in one sdot
constexpr int kLine = 64;

}  // namespace

int64_t peak(int64_t steps, int32_t* seed) noexcept {
  const int8x16_t a = vreinterpretq_s8_s32(vdupq_n_s32(*seed));
  const int8x16_t b = vreinterpretq_s8_s32(vdupq_n_s32(*seed ^ 0x01020304));
  int32x4_t acc[kSums];
#pragma GCC unroll 16
  for (int i = 0; i < kSums; ++i) acc[i] = vdupq_n_s32(i);
  for (int64_t s = 0; s < steps; ++s) {
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) acc[i] = vdotq_s32(acc[i], a, b);
  }
#pragma GCC unroll 16
  for (int i = 1; i < kSums; ++i) acc[0] = vaddq_s32(acc[0], acc[i]);
  *seed = vgetq_lane_s32(acc[0], 0);
  return steps * kSums * kMultiplyAdds;
}

uint64_t read(const void* data, int64_t bytes, int64_t streams, int64_t ahead) noexcept {
  constexpr int kLoads = kReadStep / 16;
  const int64_t part = bytes / streams;
  uint8x16_t acc[kLoads];
#pragma GCC unroll 16
  for (int i = 0; i < kLoads; ++i) acc[i] = vdupq_n_u8(0);
  for (int64_t at = 0; at < part; at += kReadStep) {
    for (int64_t s = 0; s < streams; ++s) {
      const uint8_t* p = static_cast<const uint8_t*>(data) + s * part + at;
#pragma GCC unroll 16
      for (int i = 0; i < kLoads; ++i) {
        if (ahead && 16 * i % kLine == 0) __builtin_prefetch(p + 16 * i + ahead);
        acc[i] = vorrq_u8(acc[i], vld1q_u8(p + 16 * i));
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 1; i < kLoads; ++i) acc[0] = vorrq_u8(acc[0], acc[i]);
  const uint64x2_t all = vreinterpretq_u64_u8(acc[0]);
  return vgetq_lane_u64(all, 0) | vgetq_lane_u64(all, 1);
}

}  // namespace a8w8::neon_dot
