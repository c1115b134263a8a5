#include "a8w8/half.h"

#include <bit>

namespace a8w8 {
namespace {

constexpr uint32_t kF32Infinity = 0x7f800000;

bool is_nan(uint32_t bits) { return (bits & 0x7fffffff) > kF32Infinity; }

}  // namespace

uint16_t float_to_bfloat16(float x) noexcept {
  const uint32_t u = std::bit_cast<uint32_t>(x);
  if (is_nan(u)) return static_cast<uint16_t>((u >> 16) | 0x40);
  return static_cast<uint16_t>((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

uint16_t float_to_half(float x) noexcept {
  const uint32_t u = std::bit_cast<uint32_t>(x);
  const uint16_t sign = static_cast<uint16_t>((u >> 16) & 0x8000);
  const uint32_t magnitude = u & 0x7fffffff;
  if (is_nan(u)) return static_cast<uint16_t>(sign | 0x7e00 | ((magnitude >> 13) & 0x1ff));
  // 65520 is half way between the largest float16, 65504, and 2^16; the tie goes to the even one, which is infinity.
  constexpr uint32_t kOverflow = 0x477ff000;
  if (magnitude >= kOverflow) return static_cast<uint16_t>(sign | 0x7c00);
  constexpr uint32_t kSmallestNormal = 0x38800000;  // 2^-14
  if (magnitude < kSmallestNormal) {
    // A float16 subnormal counts units of 2^-24. Adding 2^-1, whose last bit is 2^-24, rounds to that unit, to nearest
    // even.
    const float rounded = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(rounded) - std::bit_cast<uint32_t>(0.5f)));
  }
  const uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);   // a carry into the exponent is right
  return static_cast<uint16_t>(sign | ((rounded - (112u << 23)) >> 13));  // bias 127 becomes bias 15
}

float half_to_float(uint16_t bits) noexcept {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t magnitude = bits & 0x7fff;
  if (magnitude >= 0x7c00) {  // infinity, NaN (made quiet, as the hardware's conversion does)
    const uint32_t quiet = magnitude > 0x7c00 ? 0x400000u : 0u;
    return std::bit_cast<float>(sign | kF32Infinity | quiet | ((magnitude & 0x3ff) << 13));
  }
  if (magnitude < 0x400) {  // zero, subnormal: magnitude * 2^-24
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(static_cast<float>(magnitude) * 0x1p-24f));
  }
  return std::bit_cast<float>(sign | ((magnitude << 13) + (112u << 23)));
}

}  // namespace a8w8
