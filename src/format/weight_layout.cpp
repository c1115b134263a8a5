#include "format/weight_layout.h"

#include <algorithm>
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

// Stored (k, n): rows of b turn into columns of `out`. A few hundred rows at a time, so that the lines of `out` that
// are written to stay in L1.
constexpr int64_t kRowsAtATime = 256;

template <class Row>
void for_row_blocks(int64_t k, Row row) {
  for (int64_t begin = 0; begin < k; begin += kRowsAtATime) row(begin, std::min(k, begin + kRowsAtATime));
}

void gather_columns_int8(const WeightLayout& layout, const int8_t* b, int64_t k, int64_t col, int64_t cols,
                         int8_t* out) {
  for_row_blocks(k, [&](int64_t begin, int64_t end) {
    for (int64_t j = 0; j < cols; ++j) {
      for (int64_t p = begin; p < end; ++p) out[j * k + p] = b[layout.at(p, col + j)];
    }
  });
}

void gather_columns_int4(const WeightLayout& layout, const uint32_t* b, int64_t k, int64_t col, int64_t cols,
                         int8_t* out) {
  for_row_blocks(k, [&](int64_t begin, int64_t end) {
    for (int64_t j = 0; j < cols; ++j) {
      const int64_t word = (col + j) / kInt4PerWord, nibble = (col + j) % kInt4PerWord;
      for (int64_t p = begin; p < end; ++p) out[j * k + p] = int4_of(b[layout.at(p, word)], nibble);
    }
  });
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
