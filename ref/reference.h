// The normative reference of the operations: what the documentation says, element by element, in the order it says it.
// Slow. It decodes packed scales and rounds halves in its own few lines: an oracle that shares code with the suspect is
// no oracle.
#pragma once

#include "a8w8/quant_matmul.h"
#include "a8w8/quant_param.h"
#include "a8w8/quantize.h"

namespace a8w8::ref {

// The operands must satisfy the rules of the operation of the same name; `out` is contiguous with the dtype and shape
// of infer(). Results are the same bits.
void trans_quant_param(const TransQuantParamArgs& args, const TensorView& out);
void quant_matmul(const QuantMatmulArgs& args, const TensorView& out);
void quantize(const QuantizeArgs& args, const TensorView& out);
void dynamic_quant(const DynamicQuantArgs& args, const TensorView& y, const TensorView& scale);

}  // namespace a8w8::ref
