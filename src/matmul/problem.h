// What the integer matrix product and its epilogue have to do, in neutral words: no vendor's terms, no dtypes of
// operands.
#pragma once

#include <cstddef>
#include <cstdint>

#include "a8w8/dtype.h"
#include "format/weight_layout.h"

namespace a8w8 {

inline constexpr int kMaxBatchRank = 4;

struct BatchDim {
  int64_t size = 1;
  int64_t a_stride = 0, b_stride = 0;  // bytes; 0 where the operand is broadcast
};

// For each batch: c(i, j) = sum over p of a(i, p) * b(p, j), with int8 a (m, k) and b (k, n) of any strides.
struct GemmProblem {
  int64_t m = 0, n = 0, k = 0;
  const int8_t* a = nullptr;
  int64_t a_row_stride = 0, a_k_stride = 0;
  const int8_t* b = nullptr;
  int64_t b_k_stride = 0, b_n_stride = 0;
  const WeightLayout* b_layout = nullptr;  // if given, b lies as it says, and is gathered; the strides are not read
  const std::byte* b_panels = nullptr;     // if given, all panels of b, packed for the kernel at hand; b is not read
  int batch_rank = 0;
  BatchDim batch[kMaxBatchRank];  // outermost first

  int64_t batch_count() const {
    int64_t count = 1;
    for (int i = 0; i < batch_rank; ++i) count *= batch[i].size;
    return count;
  }
};

// The sums of groups of k, each with scales and zero points of its own; `group` divides k:
//   y(i, j) = (sum over g, in order, of scale(g, j) * float(sum over p in group g of a(i, p) * (b(p, j) - zero(g, j)))
//             * row_scale(i)
// each float operation rounded to float32. a is dense, so are the other arrays.
struct GroupedProblem {
  int64_t m = 0, n = 0, k = 0, group = 0;
  const int8_t* a = nullptr;  // (m, k)
  const void* b = nullptr;    // (k, n), lying as b_layout says
  WeightLayout b_layout;
  const float* scale = nullptr;      // (k / group, n)
  const int32_t* zero = nullptr;     // (k / group, n)
  const float* row_scale = nullptr;  // (m)
  DType out_dtype = DType::kBF16;    // float16, bfloat16
  void* out = nullptr;               // (m, n)

  int64_t groups() const { return k / group; }
};

// What becomes of the sums; meanings and order of operations are those of kernels/epilogue_kernel.h. Arrays are dense.
struct EpilogueDesc {
  const int32_t* bias_i32 = nullptr;  // (n), or (batch, n)
  const float* bias_f32 = nullptr;    // likewise
  int64_t bias_batch_stride = 0;      // n, or 0 where all batches share one
  const float* scale = nullptr;       // (n)
  const int32_t* offset = nullptr;    // (n)
  const float* row_scale = nullptr;   // (m), shared by all batches
  DType out_dtype = DType::kI8;
  void* out = nullptr;  // (batch, m, n), contiguous
};

}  // namespace a8w8
