// FRACTAL_NZ blocks (drawn in a8w8/format.h) of one matrix: pure byte movement.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/math.h"

namespace a8w8 {

struct NzLayout {
  static constexpr int64_t kBlockRows = 16;

  int64_t rows = 0, cols = 0, c0 = 0;

  int64_t block_rows() const { return ceil_div(rows, kBlockRows); }
  int64_t block_cols() const { return ceil_div(cols, c0); }
  int64_t elements() const { return block_rows() * block_cols() * kBlockRows * c0; }  // padding included
  // Position of element (row, col). Elements col, col + 1, ... up to a multiple of c0 follow it.
  int64_t at(int64_t row, int64_t col) const { return (col / c0 * block_rows() * kBlockRows + row) * c0 + col % c0; }
};

// A matrix of any strides (in elements of `size` bytes) to its blocks, padding zeroed, and back.
void matrix_to_nz(const std::byte* from, int64_t row_stride, int64_t col_stride, size_t size, const NzLayout& nz,
                  std::byte* to);
void matrix_from_nz(const std::byte* from, const NzLayout& nz, size_t size, std::byte* to, int64_t row_stride,
                    int64_t col_stride);

}  // namespace a8w8
