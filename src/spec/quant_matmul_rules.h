// The rules of npu_quant_matmul: one validator for C++, eager and Meta.
#pragma once

#include "a8w8/quant_matmul.h"
#include "a8w8/status.h"

namespace a8w8 {

// All rules that need no data pointers; fills `desc` if they hold.
Status check_quant_matmul(const QuantMatmulArgs& args, Product product, TensorDesc& desc);

// What the sizes of a checked call mean, whatever the operands are packed in.
struct MatmulSizes {
  int64_t m, n, k;
};
MatmulSizes matmul_sizes(const QuantMatmulArgs& args);

inline bool is_int4(const QuantMatmulArgs& args) { return args.x1.dtype == DType::kI32; }
// The words of an int4 x2 lie along k: it is (k / 8, n). Otherwise along n: (k, n / 8).
inline bool int4_along_k(const QuantMatmulArgs& args) { return args.x1.sizes[-1] == args.x2.sizes[-2]; }
// group_sizes has an effect.
bool is_per_group(const QuantMatmulArgs& args);

// True if a float32 scale is packed by trans_quant_param first, and so truncated to 19 bits: no pertoken_scale, output
// int8 or float16. (The other outputs keep the scale as it is.)
bool packs_float_scale(const QuantMatmulArgs& args);

}  // namespace a8w8
