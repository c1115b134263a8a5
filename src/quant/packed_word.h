// What the words of trans_quant_param keep of a scale and an offset (drawn in a8w8/quant_param.h).
#pragma once

#include <bit>
#include <cstdint>

#include "quant/saturate.h"

namespace a8w8 {

inline constexpr uint32_t kPackedScaleMask = 0xffffe000;  // sign, exponent, the upper ten bits of the mantissa
inline constexpr int kPackedOffsetShift = 37, kPackedOffsetBits = 9;
inline constexpr int32_t kPackedOffsetMin = -256, kPackedOffsetMax = 255;

inline float packed_scale(float scale) {
  return std::bit_cast<float>(std::bit_cast<uint32_t>(scale) & kPackedScaleMask);
}
inline int32_t packed_offset(float offset) {
  return saturate_rint<int32_t>(offset, kPackedOffsetMin, kPackedOffsetMax);
}

// Of a word, whatever its other bits are.
inline float scale_of_word(int64_t word) { return packed_scale(std::bit_cast<float>(static_cast<uint32_t>(word))); }
inline int32_t offset_of_word(int64_t word) {
  const uint64_t at_the_top = static_cast<uint64_t>(word) << (64 - kPackedOffsetShift - kPackedOffsetBits);
  return static_cast<int32_t>(static_cast<int64_t>(at_the_top) >> (64 - kPackedOffsetBits));
}

}  // namespace a8w8
