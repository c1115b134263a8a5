// The layout functions: check, then move bytes matrix by matrix.
#include <cstring>

#include "a8w8/format.h"
#include "format/int4.h"
#include "format/nz.h"
#include "spec/format_rules.h"
#include "spec/rules.h"
#include "tensor/read.h"

namespace a8w8 {
namespace {

// Byte offset of matrix number `index` (row-major) of a batch.
int64_t matrix_offset(const ConstTensorView& x, int64_t index) {
  int64_t offset = 0;
  for (int i = x.rank() - 3; i >= 0; --i) {
    offset += index % x.sizes[i] * x.strides[i];
    index /= x.sizes[i];
  }
  return offset * static_cast<int64_t>(dtype_size(x.dtype));
}

// Calls move(matrix of x, its blocks) for each matrix of the batch.
template <class Move>
void for_each_matrix(const ConstTensorView& x, const NzLayout& nz, Move move) {
  if (x.numel() == 0) return;
  const int64_t matrices = x.numel() / (nz.rows * nz.cols);
  const int64_t block_bytes = nz.elements() * static_cast<int64_t>(dtype_size(x.dtype));
  for (int64_t i = 0; i < matrices; ++i) move(matrix_offset(x, i), i * block_bytes);
}

}  // namespace

void to_fractal_nz(const ConstTensorView& x, const TensorView& out) {
  TensorDesc desc;
  throw_if_error(check_fractal_nz(x, out.rank() > 0 ? out.sizes[-1] : 0, desc));
  throw_if_error(check_output("to_fractal_nz", "out", out, desc));
  throw_if_error(check_readable("to_fractal_nz", {{"x", x}}));
  const NzLayout nz{x.sizes[-2], x.sizes[-1], out.sizes[-1]};
  for_each_matrix(x, nz, [&](int64_t at, int64_t blocks_at) {
    matrix_to_nz(static_cast<const std::byte*>(x.data) + at, x.strides[-2], x.strides[-1], dtype_size(x.dtype), nz,
                 static_cast<std::byte*>(out.data) + blocks_at);
  });
}

void from_fractal_nz(const ConstTensorView& blocks, const TensorView& out) {
  throw_if_error(check_output("from_fractal_nz", "out", out, infer_from_fractal_nz(blocks, out.sizes)));
  throw_if_error(check_readable("from_fractal_nz", {{"blocks", blocks}}));
  const NzLayout nz{out.sizes[-2], out.sizes[-1], blocks.sizes[-1]};
  for_each_matrix(out, nz, [&](int64_t at, int64_t blocks_at) {
    matrix_from_nz(static_cast<const std::byte*>(blocks.data) + blocks_at, nz, dtype_size(out.dtype),
                   static_cast<std::byte*>(out.data) + at, out.strides[-2], out.strides[-1]);
  });
}

ConstTensorView fractal_nz_view(const void* blocks, DType dtype, const Dims& sizes) {
  ConstTensorView view(blocks, dtype, sizes);
  view.format = Format::kFractalNz;
  return view;
}

void pack_int4(const ConstTensorView& values, const TensorView& words) {
  TensorDesc desc;
  throw_if_error(check_pack_int4(values, desc));
  throw_if_error(check_output("pack_int4", "words", words, desc));
  throw_if_error(check_readable("pack_int4", {{"values", values}}));
  uint32_t* word = static_cast<uint32_t*>(words.data);
  const int64_t length = values.sizes[-1], stride = values.strides[-1];
  const int64_t rows = values.numel() == 0 ? 0 : row_count(values);
  for (int64_t row = 0; row < rows; ++row) {
    const std::byte* from = row_pointer(values, row);
    for (int64_t j = 0; j < length; j += kInt4PerWord) {
      int32_t eight[kInt4PerWord];
      for (int64_t i = 0; i < kInt4PerWord; ++i) {
        eight[i] = values.dtype == DType::kI8 ? reinterpret_cast<const int8_t*>(from)[(j + i) * stride]
                                              : reinterpret_cast<const int32_t*>(from)[(j + i) * stride];
      }
      *word++ = int4_word(eight);
    }
  }
}

void unpack_int4(const ConstTensorView& words, const TensorView& values) {
  TensorDesc desc;
  throw_if_error(check_unpack_int4(words, desc));
  throw_if_error(check_output("unpack_int4", "values", values, desc));
  throw_if_error(check_readable("unpack_int4", {{"words", words}}));
  const int64_t length = words.sizes[-1], rows = words.numel() == 0 ? 0 : row_count(words);
  int8_t* to = static_cast<int8_t*>(values.data);
  for (int64_t row = 0; row < rows; ++row, to += length * kInt4PerWord) {
    unpack_int4_words(reinterpret_cast<const uint32_t*>(row_pointer(words, row)), words.strides[-1], length, to);
  }
}

}  // namespace a8w8
