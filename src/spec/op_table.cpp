#include "spec/op_table.h"

namespace a8w8 {
namespace {

constexpr DTypeSet I8 = DType::kI8, U8 = DType::kU8, I32 = DType::kI32, I64 = DType::kI64;
constexpr DTypeSet F16 = DType::kF16, BF16 = DType::kBF16, F32 = DType::kF32;
constexpr DTypeSet None = DTypeSet::absent();

const char* quantize_formula(bool div_mode) {
  return div_mode ? "sat(rint(float32(x) / float32(scales) + float32(zero_points)))"
                  : "sat(rint(float32(x) * float32(scales) + float32(zero_points)))";
}

OpForm quantize_form(bool div_mode, Product product) {
  const QuantizeOperands o = quantize_operands(div_mode, product);
  return {"npu_quantize",
          div_mode ? "div_mode=True" : "div_mode=False",
          quantize_formula(div_mode),
          {o.x, o.scales, o.zero_points},
          o.int4_allowed ? o.result | I32 : o.result};
}

}  // namespace

TransQuantParamOperands trans_quant_param_operands() {
  return {{"scale", F32, "(t,) with t = 1 or n; (1, n); without offset any 2-D shape"},
          {"offset", F32 | None, "(t,), where scale or offset of length 1 is broadcast; the shape of a 2-D scale"}};
}

QuantizeOperands quantize_operands(bool div_mode, Product product) {
  const bool a2 = product == Product::kAtlasA2;
  const DTypeSet floats = a2 ? kFloats : F32 | F16;
  const DTypeSet divisors = a2 ? F32 | BF16 : F32;
  const char* const axis = div_mode ? "(1,) or (x.size(axis),)"
                                    : "(1,) or (length of the axis,), or as many dimensions as x, 1 but for the axis";
  return {
      {"x", floats, "any, 1 to 8 dimensions; may be empty"},
      {"scales", div_mode ? divisors : floats, axis},
      {"zero_points", (div_mode ? I8 | U8 | I32 | divisors : floats) | None, div_mode ? "the shape of scales" : axis},
      div_mode ? I8 | U8 | I32 : I8,
      !div_mode && a2};
}

DynamicQuantOperands dynamic_quant_operands() {
  return {{"input", kFloats, "(..., h), 2 to 8 dimensions"},
          {"smooth_scales", kFloats | None, "(h,), of input's dtype; with group_index (E, h)"},
          {"group_index", I32 | None, "(E,), not decreasing, the last one the number of rows of input"}};
}

OperandRow int4pack_weight() { return {"weight", I32, "2 or 3 dimensions, contiguous, the last a multiple of 8"}; }

LinearDynamicOperands linear_dynamic_operands() {
  return {{"x", kFloats, "(..., k)"},
          {"weight", I8, "(n, k), or packed: see pack_weight"},
          {"weight_scale", kFloats, "(n,) or (n, 1)"},
          {"bias", kFloats | None, "(n,)"}};
}

LinearStaticOperands linear_static_operands() {
  return {{"x", kFloats, "(..., k)"},
          {"input_scale", kFloats, "one element"},
          {"input_offset", kFloats | I8, "one element"},
          {"weight", I8, "(n, k), or packed: see pack_weight"},
          {"deq_scale", F32 | BF16 | I64, "(n,) or (n, 1)"},
          {"quant_bias", I32 | None, "(n,)"},
          {"bias", kFloats | None, "(n,)"}};
}

std::vector<OpForm> op_forms(Product product) {
  const TransQuantParamOperands t = trans_quant_param_operands();
  const DynamicQuantOperands d = dynamic_quant_operands();
  const LinearDynamicOperands ld = linear_dynamic_operands();
  const LinearStaticOperands ls = linear_static_operands();
  return {{"npu_trans_quant_param",
           "",
           "bits 0-31: scale with its low 13 mantissa bits dropped (round_mode=0) or rounded to nearest even (1)\n"
           "bits 37-45: sat(-256, 255)(rint(offset)), two's complement; bit 46: one",
           {t.scale, t.offset},
           I64},
          quantize_form(true, product),
          quantize_form(false, product),
          {"npu_dynamic_quant",
           "",
           "v = float32(input) [* float32(smooth_scales)]\n"
           "scale = max|v| / 127 along the last dimension (quint4x2: / 7)\n"
           "y = sat(-128, 127)(rint(v / scale)) (quint4x2: sat(-8, 7)); a row of zeros has scale 0 and y 0",
           {d.input, d.smooth_scales, d.group_index},
           I8 | I32},
          {"npu_convert_weight_to_int4pack",
           "",
           "word = sum over j < 8 of (weight[8 * i + j] & 15) << 4 * j",
           {int4pack_weight()},
           I32},
          {"linear_dynamic",
           "",
           "x_q, s = npu_dynamic_quant(x)\ny = float32(x_q . weight^T) * weight_scale * s [+ bias]",
           {ld.x, ld.weight, ld.weight_scale, ld.bias},
           kFloats},
          {"linear_static",
           "",
           "x_q = sat(rint(x / input_scale + input_offset))\n"
           "reciprocal: r = T(1 / T(input_scale)), T the dtype of x; x_q = sat(rint(x * r + input_offset))\n"
           "y = float32(x_q . weight^T [+ quant_bias]) * deq_scale [+ bias]",
           {ls.x, ls.input_scale, ls.input_offset, ls.weight, ls.deq_scale, ls.quant_bias, ls.bias},
           kFloats}};
}

}  // namespace a8w8
