// The dtypes of each operand, where the rules look them up. a8w8/op_table.h is the view of them from outside.
#pragma once

#include "a8w8/dtype.h"
#include "a8w8/op_table.h"
#include "a8w8/product.h"

namespace a8w8 {

inline constexpr DTypeSet kFloats = DType::kF32 | DType::kF16 | DType::kBF16;

struct TransQuantParamOperands {
  OperandRow scale, offset;
};
TransQuantParamOperands trans_quant_param_operands();

struct QuantizeOperands {
  OperandRow x, scales, zero_points;
  DTypeSet result;    // of `dtype`; qint8, quint8, qint32 likewise
  bool int4_allowed;  // quint4x2
};
QuantizeOperands quantize_operands(bool div_mode, Product product);

struct DynamicQuantOperands {
  OperandRow input, smooth_scales, group_index;
};
DynamicQuantOperands dynamic_quant_operands();

OperandRow int4pack_weight();

struct LinearDynamicOperands {
  OperandRow x, weight, weight_scale, bias;
};
LinearDynamicOperands linear_dynamic_operands();

struct LinearStaticOperands {
  OperandRow x, input_scale, input_offset, weight, deq_scale, quant_bias, bias;
};
LinearStaticOperands linear_static_operands();

}  // namespace a8w8
