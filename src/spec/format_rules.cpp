#include "spec/format_rules.h"

#include "base/math.h"
#include "spec/op_table.h"
#include "spec/rules.h"

namespace a8w8 {
namespace {

constexpr int64_t kBlockRows = 16;
constexpr int kMaxNzRank = kMaxRank - 2;

}  // namespace

Status check_fractal_nz(const ConstTensorView& x, int64_t c0, TensorDesc& blocks) {
  constexpr const char* kOp = "to_fractal_nz";
  if (x.rank() < 2 || x.rank() > kMaxNzRank) {
    return invalid(kOp, ": x has shape ", x.sizes.str(), ", but must have 2 to ", kMaxNzRank, " dimensions");
  }
  if (c0 < 0) return invalid(kOp, ": c0 is ", c0, ", but must be positive, or 0 for the default of the dtype");
  if (c0 == 0) c0 = default_nz_c0(x.dtype);
  blocks = {x.dtype, Dims(x.sizes.begin(), x.rank() - 2)};
  for (int64_t size : {ceil_div(x.sizes[-1], c0), ceil_div(x.sizes[-2], kBlockRows), kBlockRows, c0})
    blocks.sizes.push_back(size);
  return fine();
}

Status check_from_fractal_nz(const ConstTensorView& blocks, const Dims& sizes) {
  constexpr const char* kOp = "from_fractal_nz";
  if (blocks.rank() < 4 || blocks.sizes[-1] < 1 || !blocks.is_contiguous()) {
    return invalid(kOp, ": blocks has shape ", blocks.sizes.str(),
                   ", but must be (..., N1, M1, 16, C0) and contiguous");
  }
  TensorDesc expected;
  A8W8_RETURN_IF_BROKEN(check_fractal_nz(ConstTensorView(nullptr, blocks.dtype, sizes), blocks.sizes[-1], expected));
  if (blocks.sizes == expected.sizes) return fine();
  return invalid(kOp, ": blocks has shape ", blocks.sizes.str(), ", but for a tensor ", sizes.str(), " it must be ",
                 expected.sizes.str());
}

Status check_pack_int4(const ConstTensorView& values, TensorDesc& words) {
  constexpr const char* kOp = "pack_int4";
  A8W8_RETURN_IF_BROKEN(check_dtype(kOp, "values", values, DType::kI32 | DType::kI8));
  if (values.rank() < 1 || values.sizes[-1] % kInt4PerWord != 0) {
    return invalid(kOp, ": values has shape ", values.sizes.str(), ", but its last dimension must be a multiple of ",
                   kInt4PerWord);
  }
  words = {DType::kI32, values.sizes};
  words.sizes[-1] /= kInt4PerWord;
  return fine();
}

Status check_unpack_int4(const ConstTensorView& words, TensorDesc& values) {
  constexpr const char* kOp = "unpack_int4";
  A8W8_RETURN_IF_BROKEN(check_dtype(kOp, "words", words, DType::kI32));
  if (words.rank() < 1) return invalid(kOp, ": words has no dimension, but must be (..., n)");
  values = {DType::kI8, words.sizes};
  values.sizes[-1] *= kInt4PerWord;
  return fine();
}

Status check_int4pack(const ConstTensorView& weight, TensorDesc& words) {
  constexpr const char* kOp = "npu_convert_weight_to_int4pack";
  A8W8_RETURN_IF_BROKEN(check_dtype(kOp, int4pack_weight(), weight));
  if (weight.rank() != 2 && weight.rank() != 3) {
    return invalid(kOp, ": weight has shape ", weight.sizes.str(), ", but must have 2 or 3 dimensions");
  }
  if (weight.numel() == 0) return invalid(kOp, ": weight is empty, shape ", weight.sizes.str());
  if (!weight.is_contiguous()) {
    return invalid(kOp, ": weight has strides ", weight.strides.str(),
                   ", but must be contiguous: ", contiguous_strides(weight.sizes).str());
  }
  if (weight.sizes[-1] % kInt4PerWord != 0) {
    return invalid(kOp, ": the last dimension of weight ", weight.sizes.str(), " is ", weight.sizes[-1],
                   ", but must be a multiple of ", kInt4PerWord);
  }
  words = {DType::kI32, weight.sizes};
  words.sizes[-1] /= kInt4PerWord;
  return fine();
}

TensorDesc fractal_nz_desc(const ConstTensorView& x, int64_t c0) {
  TensorDesc blocks;
  throw_if_error(check_fractal_nz(x, c0, blocks));
  return blocks;
}

TensorDesc infer_from_fractal_nz(const ConstTensorView& blocks, const Dims& sizes) {
  throw_if_error(check_from_fractal_nz(blocks, sizes));
  return {blocks.dtype, sizes};
}

TensorDesc infer(const Int4PackArgs& args) {
  TensorDesc words;
  throw_if_error(check_int4pack(args.weight, words));
  return words;
}

}  // namespace a8w8
