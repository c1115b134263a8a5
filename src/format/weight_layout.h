// The forms in which a weight may lie other than int8 with strides, and how a driver reads any of them: as int8
// columns.
#pragma once

#include <cstdint>

#include "format/nz.h"

namespace a8w8 {

// b (k, n) is stored as a matrix of int8, or of 32-bit words that hold eight int4 along the stored columns.
struct WeightLayout {
  bool int4 = false;
  bool transposed = false;  // stored (n, k): b is its transposed view
  bool nz = false;          // in FRACTAL_NZ blocks; else with the strides below, in stored elements
  NzLayout blocks;
  int64_t row_stride = 0, col_stride = 0;

  // Whether each column of b is a run of words.
  bool is_int4_rows() const { return int4 && transposed && !nz && col_stride == 1; }

  // Position of stored element (row, col).
  int64_t at(int64_t row, int64_t col) const { return nz ? blocks.at(row, col) : row * row_stride + col * col_stride; }
};

// Columns col .. col + cols - 1 of b as int8 rows of k: out[j * k + p] = b(p, col + j).
void gather_columns(const WeightLayout& layout, const void* b, int64_t k, int64_t col, int64_t cols, int8_t* out);

}  // namespace a8w8
