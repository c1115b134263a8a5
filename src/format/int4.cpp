#include "format/int4.h"

#include <bit>
#include <cstring>

namespace a8w8 {
void unpack_int4_words(const uint32_t* words, int64_t stride, int64_t count, int8_t* values) {
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
