// A packed weight as an operand: its header, checked, and the kernel that reads it.
#pragma once

#include <cstddef>

#include "a8w8/isa.h"
#include "kernels/gemm_kernel.h"
#include "matmul/packed_panels.h"

namespace a8w8 {

struct PackedOperand {
  const PackedHeader* header = nullptr;
  const GemmKernel* kernel = nullptr;  // null if this build does not have it
};

// Throws Error if there is no header, or not one of this version, or if it does not fit `size`.
PackedOperand packed_operand(const void* bytes, size_t size);
// Likewise, of a view, behind which nobody can tell how many bytes there are.
PackedOperand packed_operand(const void* bytes);
// Throws Error if the header is of other sizes.
void check_packed_sizes(const PackedHeader& header, int64_t n, int64_t k);
// Throws Error if this build does not have the kernel, or `isas` does not allow it.
const GemmKernel& packed_kernel(const PackedOperand& packed, IsaSet isas);

}  // namespace a8w8
