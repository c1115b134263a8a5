#include "format/int4.h"

#include <bit>
#include <cstring>

namespace a8w8 {
namespace {

// Eight nibbles to eight bytes at once: spread them, then let the sign bit of each nibble fill the upper half of its
// byte (0x08 * 0x1e = 0xf0).
uint64_t spread(uint32_t word) {
  uint64_t x = word;
  x = (x | x << 16) & 0x0000ffff0000ffffu;
  x = (x | x << 8) & 0x00ff00ff00ff00ffu;
  x = (x | x << 4) & 0x0f0f0f0f0f0f0f0fu;
  return x | (x & 0x0808080808080808u) * 0x1e;
}

}  // namespace

void unpack_int4_words(const uint32_t* words, int64_t stride, int64_t count, int8_t* values) {
  for (int64_t w = 0; w < count; ++w, values += kInt4PerWord) {
    const uint32_t word = words[w * stride];
    if constexpr (std::endian::native == std::endian::little) {
      const uint64_t bytes = spread(word);
      std::memcpy(values, &bytes, sizeof bytes);
    } else {
      for (int64_t j = 0; j < kInt4PerWord; ++j) values[j] = int4_of(word, j);
    }
  }
}

void pack_int4_words(const int8_t* values, int64_t count, uint32_t* words) {
  for (int64_t w = 0; w < count; ++w) words[w] = int4_word(values + w * kInt4PerWord);
}

}  // namespace a8w8
