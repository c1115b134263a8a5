// Sizes of the packed buffers of a kernel (kernels/gemm_kernel.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/math.h"
#include "kernels/gemm_kernel.h"

namespace a8w8 {

// How rows of a are packed for either family of kernels.
struct RowPacking {
  PackAFn* pack = nullptr;
  int64_t max_rows = 1;  // of a panel
  int64_t kr = 1, a_bytes = 1;
  RowInitFn* row_init = nullptr;  // if given, rows may stay where they are

  int64_t bytes_per_row(int64_t k) const { return round_up(k, kr) * a_bytes; }
};

inline RowPacking row_packing(const GemmKernel& kernel) {
  return {kernel.pack_a, kernel.mr, kernel.kr, kernel.a_bytes, kernel.row_init};
}
inline RowPacking row_packing(const DotKernel& kernel) {
  return {kernel.pack_a, kernel.max_m, kernel.kr, kernel.a_bytes, nullptr};
}

// A panel of b, of k or of a block of k that is a multiple of kr.
inline int64_t b_panel_bytes(const GemmKernel& kernel, int64_t k) {
  return kernel.nr * round_up(k, kernel.kr) * kernel.b_bytes;
}

}  // namespace a8w8
