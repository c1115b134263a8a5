// A packed weight as an operand: its header, checked, and the kernel that reads it.
#pragma once

#include <cstddef>

#include "a8w8/isa.h"
#include "kernels/gemm_kernel.h"
#include "matmul/packed_panels.h"

namespace a8w8 {

// Throws Error if there is no header, or not one of this version, or if it does not fit `size`.
const PackedHeader& checked_header(const void* bytes, size_t size);
// Throws Error if the header is not one, or of other sizes. The bytes behind a view are not as many as anyone can tell.
void check_packed_sizes(const PackedHeader& header, int64_t n, int64_t k);
// Throws Error if this build does not have the kernel, or `isas` does not allow it.
const GemmKernel& packed_kernel(const PackedHeader& header, IsaSet isas);

}  // namespace a8w8
