// The rules of npu_quant_matmul: one validator for C++, eager and Meta.
#pragma once

#include "a8w8/quant_matmul.h"
#include "a8w8/status.h"

namespace a8w8 {

// All rules that need no data pointers; fills `desc` if they hold.
Status check_quant_matmul(const QuantMatmulArgs& args, Product product, TensorDesc& desc);

// True if a float32 scale is packed by trans_quant_param first, and so truncated to 19 bits: no pertoken_scale, output
// int8 or float16. (The other outputs keep the scale as it is.)
bool packs_float_scale(const QuantMatmulArgs& args);

}  // namespace a8w8
