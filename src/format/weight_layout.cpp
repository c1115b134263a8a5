#include "format/weight_layout.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "format/int4.h"

namespace a8w8 {
namespace {

// Elements after one another in storage, from column `col` on: all of them, or up to the end of the block.
int64_t run_length(const WeightLayout& layout, int64_t col, int64_t end) {
  return layout.nz ? std::min(end - col, layout.blocks.c0 - col % layout.blocks.c0) : end - col;
}

// Stored (n, k): each column of b is a stored row.
void gather_rows_int8(const WeightLayout& layout, const int8_t* b, int64_t k, int64_t col, int64_t cols, int8_t* out) {
  for (int64_t j = 0; j < cols; ++j) {
    for (int64_t p = 0, run; p < k; p += run) {
      run = run_length(layout, p, k);
      const int8_t* from = b + layout.at(col + j, p);
      int8_t* to = out + j * k + p;
      if (layout.nz || layout.col_stride == 1) {
        std::memcpy(to, from, static_cast<size_t>(run));
      } else {
        for (int64_t i = 0; i < run; ++i) to[i] = from[i * layout.col_stride];
      }
    }
  }
}

void gather_rows_int4(const WeightLayout& layout, const uint32_t* b, int64_t k, int64_t col, int64_t cols,
                      int8_t* out) {
  const int64_t words = k / kInt4PerWord, stride = layout.nz ? 1 : layout.col_stride;
  for (int64_t j = 0; j < cols; ++j) {
    for (int64_t w = 0, run; w < words; w += run) {
      run = run_length(layout, w, words);
      unpack_int4_words(b + layout.at(col + j, w), stride, run, out + j * k + w * kInt4PerWord);
    }
  }
}

// Stored (k, n): rows of b turn into columns of `out`. Eight rows of eight neighbouring columns are transposed at a
// time, in eight 64-bit words; single elements are left at the edges.
constexpr int64_t kEdge = 8;

// Byte j of word i and byte i of word j change places: 1x1, then 2x2, then 4x4 blocks across the diagonal.
void transpose_8x8(uint64_t* w) {
  constexpr uint64_t kMasks[] = {0x00ff00ff00ff00ffu, 0x0000ffff0000ffffu, 0x00000000ffffffffu};
  for (int step = 0; step < 3; ++step) {
    const int distance = 1 << step, shift = 8 << step;
    const uint64_t mask = kMasks[step];
    for (int i = 0; i < 8; ++i) {
      if (i & distance) continue;
      const uint64_t low = w[i], high = w[i + distance];
      w[i] = (low & mask) | ((high & mask) << shift);
      w[i + distance] = ((low >> shift) & mask) | (high & ~mask);
    }
  }
}

// element(p, column) is one value, eight(p, column) those of eight columns, the first in the lowest byte.
template <class Element, class Eight>
void gather_transposed(int64_t k, int64_t col, int64_t cols, int8_t* out, Element element, Eight eight) {
  const int64_t whole_k = std::endian::native == std::endian::little ? k / kEdge * kEdge : 0;
  for (int64_t j = 0, step; j < cols; j += step) {
    const bool whole = (col + j) % kEdge == 0 && cols - j >= kEdge;
    step = whole ? kEdge : 1;
    for (int64_t p = 0; whole && p < whole_k; p += kEdge) {
      uint64_t block[kEdge];
      for (int64_t i = 0; i < kEdge; ++i) block[i] = eight(p + i, col + j);
      transpose_8x8(block);
      for (int64_t i = 0; i < kEdge; ++i) std::memcpy(out + (j + i) * k + p, &block[i], kEdge);
    }
    for (int64_t i = j; i < j + step; ++i) {
      for (int64_t p = whole ? whole_k : 0; p < k; ++p) out[i * k + p] = element(p, col + i);
    }
  }
}

void gather_columns_int8(const WeightLayout& layout, const int8_t* b, int64_t k, int64_t col, int64_t cols,
                         int8_t* out) {
  const auto element = [&](int64_t p, int64_t c) { return b[layout.at(p, c)]; };
  const auto eight = [&](int64_t p, int64_t c) {  // eight of a block, which is a multiple of eight wide
    uint64_t bytes;
    std::memcpy(&bytes, b + layout.at(p, c), sizeof bytes);
    return bytes;
  };
  gather_transposed(k, col, cols, out, element, eight);
}

void gather_columns_int4(const WeightLayout& layout, const uint32_t* b, int64_t k, int64_t col, int64_t cols,
                         int8_t* out) {
  const auto word = [&](int64_t p, int64_t c) { return b[layout.at(p, c / kInt4PerWord)]; };
  const auto element = [&](int64_t p, int64_t c) { return int4_of(word(p, c), c % kInt4PerWord); };
  const auto eight = [&](int64_t p, int64_t c) { return int4_bytes(word(p, c)); };
  gather_transposed(k, col, cols, out, element, eight);
}

}  // namespace

void gather_columns(const WeightLayout& layout, const void* b, int64_t k, int64_t col, int64_t cols, int8_t* out) {
  if (layout.int4) {
    const auto gather = layout.transposed ? gather_rows_int4 : gather_columns_int4;
    return gather(layout, static_cast<const uint32_t*>(b), k, col, cols, out);
  }
  const auto gather = layout.transposed ? gather_rows_int8 : gather_columns_int8;
  gather(layout, static_cast<const int8_t*>(b), k, col, cols, out);
}

}  // namespace a8w8
