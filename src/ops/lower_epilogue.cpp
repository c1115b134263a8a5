#include "ops/lower_epilogue.h"

#include "a8w8/quant_param.h"
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
  float* scale = ScratchLayout::at<float>(base, scale_at_);
  int32_t* offset = ScratchLayout::at<int32_t>(base, offset_at_);
  const bool packed = args_.scale.dtype == DType::kI64, packs = packs_float_scale(args_);
  if (!packed && !packs && args_.scale.numel() == n_) {
    e.scale = dense_floats(args_.scale, scale);
    return;
  }
  e.scale = scale;
  if (args_.output_dtype == DType::kI8) e.offset = offset;
  if (packed) {
    int64_t* words = ScratchLayout::at<int64_t>(base, words_at_);
    read_ints(args_.scale, words);
    decode(words, args_.scale.numel(), scale, offset);
  } else {
    read_floats(args_.scale, scale);
    if (packs) pack_and_decode(base, scale, offset);
  }
  for (int64_t j = args_.scale.numel(); j < n_; ++j) scale[j] = scale[0];
}

// An int64 scale: the offset argument is not read, the packed one counts.
void EpilogueOperands::decode(const int64_t* words, int64_t count, float* scale, int32_t* offset) const {
  for (int64_t j = 0; j < count; ++j) {
    const QuantParam param = decode_quant_param(words[j]);
    scale[j] = param.scale, offset[j] = param.offset;
  }
  for (int64_t j = count; j < n_; ++j) offset[j] = offset[0];
}

// What npu_trans_quant_param(scale, offset) would store, read back: the scale loses 13 bits, the offset becomes an
// integer.
void EpilogueOperands::pack_and_decode(std::byte* base, float* scale, int32_t* offset) const {
  for (int64_t j = 0; j < args_.scale.numel(); ++j) scale[j] = decode_quant_param(encode_quant_param(scale[j])).scale;
  float* given = ScratchLayout::at<float>(base, words_at_);
  const int64_t count = args_.offset ? args_.offset->numel() : 1;
  given[0] = 0.0f;
  if (args_.offset) read_floats(*args_.offset, given);
  for (int64_t j = 0; j < count; ++j) offset[j] = decode_quant_param(encode_quant_param(1.0f, given[j])).offset;
  for (int64_t j = count; j < n_; ++j) offset[j] = offset[0];
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
