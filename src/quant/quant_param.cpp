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
  std::vector<float> scale(args.scale.numel()), offset(args.offset ? args.offset->numel() : 1, 0.0f);
  read_floats(args.scale, scale.data());
  if (args.offset) read_floats(*args.offset, offset.data());
  int64_t* words = static_cast<int64_t*>(out.data);
  const ScaleRounding rounding = static_cast<ScaleRounding>(args.round_mode);
  for (int64_t i = 0; i < out.numel(); ++i) {
    words[i] = encode_quant_param(scale[scale.size() == 1 ? 0 : i], offset[offset.size() == 1 ? 0 : i], rounding);
  }
}

}  // namespace a8w8
