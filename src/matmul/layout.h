// Sizes of the packed buffers of a kernel (drawn in kernels/gemm_kernel.h), each a whole number of cache lines.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/math.h"
#include "kernels/gemm_kernel.h"

namespace a8w8 {

constexpr size_t align_bytes(int64_t bytes) { return static_cast<size_t>(round_up(bytes, 64)); }

// One panel of mr rows of a: the packed rows, then mr row corrections.
struct PackedA {
  size_t row_init_at;  // byte offset of the corrections
  size_t bytes;
};

inline PackedA packed_a(const GemmKernel& kernel, int64_t k) {
  const size_t rows = align_bytes(kernel.mr * round_up(k, kernel.kr) * kernel.a_bytes);
  return {rows, rows + align_bytes(kernel.mr * static_cast<int64_t>(sizeof(int32_t)))};
}

inline size_t packed_b_bytes(const GemmKernel& kernel, int64_t k) {
  return align_bytes(kernel.nr * round_up(k, kernel.kr) * kernel.b_bytes);
}

inline size_t tile_bytes(const GemmKernel& kernel) {
  return align_bytes(static_cast<int64_t>(kernel.mr) * kernel.nr * static_cast<int64_t>(sizeof(int32_t)));
}

}  // namespace a8w8
