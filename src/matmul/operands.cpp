#include "matmul/operands.h"

namespace a8w8 {

Matrices operands_of_batch(const GemmProblem& p, int64_t index) {
  Matrices at{p.a, p.b};
  for (int i = p.batch_rank - 1; i >= 0; --i) {
    const int64_t position = index % p.batch[i].size;
    index /= p.batch[i].size;
    at.a += position * p.batch[i].a_stride;
    at.b += position * p.batch[i].b_stride;
  }
  return at;
}

EpilogueTile tile_at(const EpilogueDesc& e, const GemmProblem& p, int64_t batch, int64_t row, int64_t rows, int64_t col,
                     int64_t cols, const int32_t* c, int64_t ldc) {
  const auto from = [&](auto* array, int64_t at) { return array ? array + at : nullptr; };
  EpilogueTile t;
  t.rows = rows, t.cols = cols;
  t.c = c, t.ldc = ldc;
  t.bias_i32 = from(e.bias_i32, batch * e.bias_batch_stride + col);
  t.bias_f32 = from(e.bias_f32, batch * e.bias_batch_stride + col);
  t.scale = from(e.scale, col);
  t.offset = from(e.offset, col);
  t.row_scale = from(e.row_scale, row);
  t.out_dtype = e.out_dtype;
  t.out = static_cast<std::byte*>(e.out) +
          ((batch * p.m + row) * p.n + col) * static_cast<int64_t>(dtype_size(e.out_dtype));
  t.ldo = p.n;
  return t;
}

Columns columns_of(const Plan& plan, const GemmProblem& p, const int8_t* b, int64_t col, int64_t cols,
                   std::byte* mine) {
  if (p.b_layout == nullptr) return {b + col * p.b_n_stride, p.b_k_stride, p.b_n_stride};
  if (!plan.gathers) {  // int4 as it lies, for the kernel that reads it
    const int64_t row_bytes = p.b_layout->row_stride * static_cast<int64_t>(sizeof(uint32_t));
    return {b + col * row_bytes, 1, row_bytes};
  }
  int8_t* const rows = reinterpret_cast<int8_t*>(mine + plan.gathered_at);
  gather_columns(*p.b_layout, b, p.k, col, cols, rows);
  return {rows, 1, p.k};
}

}  // namespace a8w8
