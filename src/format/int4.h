// int4 in 32-bit words, eight in each, element 0 in the lowest bits: pure byte movement.
#pragma once

#include <cstdint>

#include "a8w8/dtype.h"

namespace a8w8 {

inline constexpr int kInt4Min = -8, kInt4Max = 7;

// Element j of a word, sign-extended.
constexpr int8_t int4_of(uint32_t word, int64_t j) {
  return static_cast<int8_t>(static_cast<int32_t>(word << (28 - 4 * j)) >> 28);
}

// Eight values, of which the low four bits count.
template <class Int>
constexpr uint32_t int4_word(const Int* values) {
  uint32_t word = 0;
  for (int64_t j = 0; j < kInt4PerWord; ++j) word |= (static_cast<uint32_t>(values[j]) & 15u) << (4 * j);
  return word;
}

// All eight elements, sign-extended, element 0 in the lowest byte: spread the nibbles, then let the sign bit of each
// fill the upper half of its byte (0x08 * 0x1e = 0xf0).
constexpr uint64_t int4_bytes(uint32_t word) {
  uint64_t x = word;
  x = (x | x << 16) & 0x0000ffff0000ffffu;
  x = (x | x << 8) & 0x00ff00ff00ff00ffu;
  x = (x | x << 4) & 0x0f0f0f0f0f0f0f0fu;
  return x | (x & 0x0808080808080808u) * 0x1e;
}

// `count` words, `stride` apart, to 8 * count values.
void unpack_int4_words(const uint32_t* words, int64_t stride, int64_t count, int8_t* values);
// 8 * count values to `count` words.
void pack_int4_words(const int8_t* values, int64_t count, uint32_t* words);

}  // namespace a8w8
