// Scale, offset, pertoken_scale and bias of npu_quant_matmul as the epilogue of a neutral problem.
#pragma once

#include <cstddef>

#include "a8w8/quant_matmul.h"
#include "matmul/problem.h"
#include "runtime/scratch_layout.h"

namespace a8w8 {

// Scales, offsets and biases as the epilogue wants them: dense, widened, one a column (or row).
class EpilogueOperands {
 public:
  // `rows` of the problem, `n` columns; reserves its place in `layout`.
  EpilogueOperands(const QuantMatmulArgs& args, int64_t n, int64_t rows, ScratchLayout& layout);

  EpilogueDesc lower(std::byte* base, void* out) const;

 private:
  void lower_scale(std::byte* base, EpilogueDesc& e) const;
  void decode(std::byte* base, float* scale, EpilogueDesc& e) const;
  void pack(std::byte* base, float* scale, EpilogueDesc& e) const;
  const float* lower_row_scale(std::byte* base) const;
  void lower_bias(std::byte* base, EpilogueDesc& e) const;

  const QuantMatmulArgs& args_;
  int64_t n_, rows_, bias_count_;
  size_t scale_at_, offset_at_, bias_at_, row_scale_at_, words_at_;
};

}  // namespace a8w8
