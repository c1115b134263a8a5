#include "format/int4.h"

#include <bit>
#include <cstring>

namespace a8w8 {
void unpack_int4_words(const uint32_t* words, int64_t stride, int64_t count, int8_t* values) {
  if (stride == 1 && std::endian::native == std::endian::little) {
    const uint8_t* bytes = reinterpret_cast<const uint8_t*>(words);
    for (int64_t i = 0; i < 4 * count; ++i) {  // a loop that compilers turn into vector instructions
      values[2 * i] = static_cast<int8_t>(((bytes[i] & 15) ^ 8) - 8);
      values[2 * i + 1] = static_cast<int8_t>(((bytes[i] >> 4) ^ 8) - 8);
    }
    return;
  }
  for (int64_t w = 0; w < count; ++w, values += kInt4PerWord) {
    const uint32_t word = words[w * stride];
    if constexpr (std::endian::native == std::endian::little) {
      const uint64_t bytes = int4_bytes(word);
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
