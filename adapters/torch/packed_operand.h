// A packed weight as an operand of an op: a tensor uint8 (bytes,) that a8w8::pack_weight made, in place of the plain
// one.
#pragma once

#include "convert.h"

namespace a8w8::torch_adapter {

// No op takes a plain weight of this kind.
inline bool is_packed(const at::Tensor& weight) { return weight.dim() == 1 && weight.scalar_type() == at::kByte; }

// The packed weight as an operand (n, k), or int32 (n, k / 8). CPU: as its header says, which is checked. Meta has no
// header to read: `expected` it is, as the other operands have it.
ConstTensorView packed_view(Operands& operands, const at::Tensor& packed, const char* name, const TensorDesc& expected);

// The weight of a linear, plain or packed; for x (..., k) and a scale (n,) or (n, 1).
ConstTensorView linear_weight(Operands& operands, const at::Tensor& weight, const ConstTensorView& x,
                              const ConstTensorView& scale);

}  // namespace a8w8::torch_adapter
