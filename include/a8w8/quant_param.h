// npu_trans_quant_param: a float scale, and an offset, packed into one 64-bit word a column.
//
//   bits  0 .. 31   the float32 scale with its low 13 mantissa bits zero (a 19-bit float: 1 + 8 + 10)
//   bits 37 .. 45   rint(offset) clamped to -256 .. 255, nine-bit two's complement
//   bit  46         one
//   others          zero
//
// E.g. scale 1.0 (0x3f800000) and offset -2 (0x1fe): 0x3f800000 | 0x1fe << 37 | 1 << 46 = 140463675801600.
#pragma once

#include <optional>

#include "a8w8/tensor_view.h"

namespace a8w8 {

enum class ScaleRounding {
  kTruncate = 0,     // drop the low 13 bits
  kNearestEven = 1,  // round; subnormals become zero, a carry may give infinity, infinity and NaN are only masked
};

struct TransQuantParamArgs {
  ConstTensorView scale;  // float32 (t,), or (1, n), or without offset any 2-D shape
  std::optional<ConstTensorView> offset =
      std::nullopt;        // float32 (t,) where one of the lengths may be 1, or the shape of a 2-D scale
  int64_t round_mode = 0;  // a ScaleRounding
};

// Shape of the int64 result. Throws Error(kInvalidArgument).
TensorDesc infer(const TransQuantParamArgs& args);
// `out` has infer()'s shape and dtype and is contiguous.
void trans_quant_param(const TransQuantParamArgs& args, const TensorView& out);

// One word.
int64_t encode_quant_param(float scale, float offset = 0.0f, ScaleRounding rounding = ScaleRounding::kTruncate);
struct QuantParam {
  float scale;
  int32_t offset;  // -256 .. 255
};
QuantParam decode_quant_param(int64_t word);

}  // namespace a8w8
