// float16 and bfloat16 as raw 16-bit words. Rounding is to nearest even; subnormals are kept; overflow gives infinity;
// a NaN stays a NaN of the same sign, made quiet, with the upper bits of its payload.
#pragma once

#include <bit>
#include <cstdint>

namespace a8w8 {

uint16_t float_to_half(float x) noexcept;
float half_to_float(uint16_t bits) noexcept;  // exact
uint16_t float_to_bfloat16(float x) noexcept;
inline float bfloat16_to_float(uint16_t bits) noexcept {  // exact
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

}  // namespace a8w8
