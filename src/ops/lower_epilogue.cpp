#include "ops/lower_epilogue.h"

#include <algorithm>

#include "quant/packed_word.h"
#include "spec/quant_matmul_rules.h"
#include "tensor/read.h"

namespace a8w8 {

EpilogueOperands::EpilogueOperands(const QuantMatmulArgs& args, int64_t n, int64_t rows, ScratchLayout& layout)
    : args_(args), n_(n), rows_(rows), bias_count_(args.bias ? args.bias->numel() : 0) {
  scale_at_ = layout.add<float>(n);
  offset_at_ = layout.add<int32_t>(n);
  bias_at_ = layout.add<int32_t>(bias_count_);  // int32 or float32, both four bytes
  row_scale_at_ = layout.add<float>(args.pertoken_scale ? rows : 0);
  words_at_ = layout.add<int64_t>(n);  // packed scales, or else the float offsets
}

EpilogueDesc EpilogueOperands::lower(std::byte* base, void* out) const {
  EpilogueDesc e;
  e.out_dtype = args_.output_dtype, e.out = out;
  lower_scale(base, e);
  if (args_.pertoken_scale) e.row_scale = lower_row_scale(base);
  if (args_.bias) lower_bias(base, e);
  return e;
}

void EpilogueOperands::lower_scale(std::byte* base, EpilogueDesc& e) const {
  if (args_.output_dtype == DType::kI32) return;  // the scale is checked but takes no part
  const int64_t count = args_.scale.numel();
  float* const scale = ScratchLayout::at<float>(base, scale_at_);
  if (args_.scale.dtype == DType::kI64) {
    decode(base, scale, e);
  } else if (packs_float_scale(args_)) {
    pack(base, scale, e);
  } else if (count == n_) {
    e.scale = dense_floats(args_.scale, scale);
    return;
  } else {
    read_floats(args_.scale, scale);
  }
  std::fill(scale + count, scale + n_, scale[0]);
  e.scale = scale;
}

// An int64 scale: the offset argument is not read, the packed one counts.
void EpilogueOperands::decode(std::byte* base, float* scale, EpilogueDesc& e) const {
  const int64_t count = args_.scale.numel();
  int64_t* const words = ScratchLayout::at<int64_t>(base, words_at_);
  read_ints(args_.scale, words);
  std::transform(words, words + count, scale, scale_of_word);
  if (args_.output_dtype != DType::kI8) return;
  int32_t* const offset = ScratchLayout::at<int32_t>(base, offset_at_);
  std::transform(words, words + count, offset, offset_of_word);
  std::fill(offset + count, offset + n_, offset[0]);
  e.offset = offset;
}

// What npu_trans_quant_param(scale, offset) would store, read back: the scale loses 13 bits, the offset becomes an
// integer.
void EpilogueOperands::pack(std::byte* base, float* scale, EpilogueDesc& e) const {
  read_floats(args_.scale, scale);
  std::transform(scale, scale + args_.scale.numel(), scale, packed_scale);
  if (!args_.offset) return;
  const int64_t count = args_.offset->numel();
  const float* const given = dense_floats(*args_.offset, ScratchLayout::at<float>(base, words_at_));
  int32_t* const offset = ScratchLayout::at<int32_t>(base, offset_at_);
  std::transform(given, given + count, offset, packed_offset);
  std::fill(offset + count, offset + n_, offset[0]);
  e.offset = offset;
}

// One a row of the problem: where a batch was folded into rows, every matrix of it has the same ones.
const float* EpilogueOperands::lower_row_scale(std::byte* base) const {
  float* row_scale = ScratchLayout::at<float>(base, row_scale_at_);
  const int64_t m = args_.pertoken_scale->numel();
  if (m == rows_) return dense_floats(*args_.pertoken_scale, row_scale);
  read_floats(*args_.pertoken_scale, row_scale);
  for (int64_t i = m; i < rows_; ++i) row_scale[i] = row_scale[i - m];
  return row_scale;
}

void EpilogueOperands::lower_bias(std::byte* base, EpilogueDesc& e) const {
  const bool batched = args_.bias->rank() == 3 && args_.bias->sizes[0] > 1;
  e.bias_batch_stride = batched ? n_ : 0;
  if (args_.bias->dtype == DType::kI32) {
    e.bias_i32 = dense_ints(*args_.bias, ScratchLayout::at<int32_t>(base, bias_at_));
  } else {
    e.bias_f32 = dense_floats(*args_.bias, ScratchLayout::at<float>(base, bias_at_));
  }
}

}  // namespace a8w8
