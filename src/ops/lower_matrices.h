// x1 and x2 of npu_quant_matmul as a neutral problem.
#pragma once

#include "a8w8/quant_matmul.h"
#include "format/weight_layout.h"
#include "matmul/plan.h"
#include "matmul/problem.h"
#include "ops/packed_operand.h"

namespace a8w8 {

// How x2 lies, if not as int8 with strides: in a layout of its own, `bytes_per_matrix` being what one matrix of a batch
// takes; or packed, by `packed`.
struct StoredWeight {
  bool plain = true;
  WeightLayout layout;
  int64_t bytes_per_matrix = 0;
  PackedOperand packed;
};
// Throws Error if x2 is packed and its header is not one.
StoredWeight stored_weight(const QuantMatmulArgs& args);
StoredWeight stored_weight(const ConstTensorView& x2, bool int4, bool int4_along_k);

// b of the problem, whose sizes are there already, is x2. `weight` must outlive the problem.
void lower_weight(const ConstTensorView& x2, const StoredWeight& weight, GemmProblem& problem);
// The best kernels, or the one that the weight is packed for. Throws Error if `isas` does not allow that.
KernelChoice kernels_for(const StoredWeight& weight, IsaSet isas);

// x1 as int8 (..., m, k): where it lies, or dense at `to`, which has room for unpacked_x1_bytes.
const int8_t* int8_x1(const QuantMatmulArgs& args, void* to);
int64_t unpacked_x1_bytes(const QuantMatmulArgs& args);  // 0 if x1 is int8 itself

// But for a, which is int8_x1's. `weight` must outlive the problem. `out` are the sizes of the result. Where all of a
// batch share one weight and one bias, the batch is folded into rows.
GemmProblem lower_matrices(const QuantMatmulArgs& args, const StoredWeight& weight, const Dims& out);

}  // namespace a8w8
