#include "a8w8/quant_param.h"

#include <bit>
#include <vector>

#include "quant/packed_word.h"
#include "spec/quantize_rules.h"
#include "spec/rules.h"
#include "tensor/read.h"

namespace a8w8 {
namespace {

constexpr uint64_t kOffsetMask = (uint64_t{1} << kPackedOffsetBits) - 1;
constexpr uint64_t kValidBit = uint64_t{1} << 46;

uint32_t round_scale(uint32_t bits) {
  const uint32_t exponent = (bits >> 23) & 0xff;
  if (exponent == 0) return bits & 0x80000000;
  if (exponent == 0xff) return bits & kPackedScaleMask;
  return (bits + 0xfff + ((bits >> 13) & 1)) & kPackedScaleMask;
}

// Where they lie if they are dense, which they nearly always are; else in `room`, for there is no context with scratch.
const float* values_of(const ConstTensorView& view, std::vector<float>& room) {
  if (!is_dense_floats(view)) room.resize(static_cast<size_t>(view.numel()));
  return dense_floats(view, room.data());
}

}  // namespace

int64_t encode_quant_param(float scale, float offset, ScaleRounding rounding) {
  const uint32_t bits = std::bit_cast<uint32_t>(scale);
  const uint32_t scale_bits = rounding == ScaleRounding::kTruncate ? bits & kPackedScaleMask : round_scale(bits);
  const uint64_t o = static_cast<uint64_t>(packed_offset(offset)) & kOffsetMask;
  return static_cast<int64_t>(scale_bits | (o << kPackedOffsetShift) | kValidBit);
}

QuantParam decode_quant_param(int64_t word) { return {scale_of_word(word), offset_of_word(word)}; }

void trans_quant_param(const TransQuantParamArgs& args, const TensorView& out) {
  TensorDesc desc;
  throw_if_error(check_trans_quant_param(args, desc));
  throw_if_error(check_output("npu_trans_quant_param", "out", out, desc));
  throw_if_error(check_readable("npu_trans_quant_param", {{"scale", args.scale}, {"offset", args.offset}}));
  std::vector<float> scale_room, offset_room;
  const int64_t scales = args.scale.numel(), offsets = args.offset ? args.offset->numel() : 1;
  const float zero = 0.0f;
  const float* const scale = values_of(args.scale, scale_room);
  const float* const offset = args.offset ? values_of(*args.offset, offset_room) : &zero;
  int64_t* const words = static_cast<int64_t*>(out.data);
  const ScaleRounding rounding = static_cast<ScaleRounding>(args.round_mode);
  const int64_t count = out.numel();
  for (int64_t i = 0; i < count; ++i)
    words[i] = encode_quant_param(scale[scales == 1 ? 0 : i], offset[offsets == 1 ? 0 : i], rounding);
}

}  // namespace a8w8
