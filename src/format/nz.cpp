#include "format/nz.h"

#include <algorithm>
#include <cstring>

namespace a8w8 {
namespace {

// Calls run(row, col, count) for every run of elements that are neighbours both in a row and in the blocks.
template <class Run>
void for_each_run(const NzLayout& nz, Run run) {
  for (int64_t col = 0; col < nz.cols; col += nz.c0) {
    const int64_t count = std::min(nz.c0, nz.cols - col);
    for (int64_t row = 0; row < nz.rows; ++row) run(row, col, count);
  }
}

}  // namespace

void matrix_to_nz(const std::byte* from, int64_t row_stride, int64_t col_stride, size_t size, const NzLayout& nz,
                  std::byte* to) {
  std::memset(to, 0, static_cast<size_t>(nz.elements()) * size);
  const int64_t bytes = static_cast<int64_t>(size);
  for_each_run(nz, [&](int64_t row, int64_t col, int64_t count) {
    const std::byte* source = from + (row * row_stride + col * col_stride) * bytes;
    std::byte* target = to + nz.at(row, col) * bytes;
    if (col_stride == 1) return void(std::memcpy(target, source, static_cast<size_t>(count) * size));
    for (int64_t j = 0; j < count; ++j) std::memcpy(target + j * bytes, source + j * col_stride * bytes, size);
  });
}

void matrix_from_nz(const std::byte* from, const NzLayout& nz, size_t size, std::byte* to, int64_t row_stride,
                    int64_t col_stride) {
  const int64_t bytes = static_cast<int64_t>(size);
  for_each_run(nz, [&](int64_t row, int64_t col, int64_t count) {
    const std::byte* source = from + nz.at(row, col) * bytes;
    std::byte* target = to + (row * row_stride + col * col_stride) * bytes;
    if (col_stride == 1) return void(std::memcpy(target, source, static_cast<size_t>(count) * size));
    for (int64_t j = 0; j < count; ++j) std::memcpy(target + j * col_stride * bytes, source + j * bytes, size);
  });
}

}  // namespace a8w8
