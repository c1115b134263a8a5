// All of b, packed once: a header and the panels of its columns, one after another.
//
//   header, 128 bytes │ panel of columns 0 .. nr-1 │ panel of columns nr .. 2nr-1 │ ... each b_panel_bytes(kernel, k)
#pragma once

#include <cstddef>
#include <cstdint>

#include "a8w8/context.h"
#include "kernels/gemm_kernel.h"
#include "matmul/problem.h"

namespace a8w8 {

struct PackedHeader {
  char magic[8];
  uint32_t version;
  uint32_t int4;    // 1 if the elements were int4 in 32-bit words; they are packed as int8 all the same
  char kernel[64];  // the name of a GemmKernel, filled up with zeros
  int64_t n, k;
  uint64_t bytes;  // header included
  char reserved[24];
};
static_assert(sizeof(PackedHeader) == 128);

inline constexpr char kPackedMagic[8] = {'A', '8', 'W', '8', 'P', 'A', 'C', 'K'};
inline constexpr uint32_t kPackedVersion = 1;

// Header included.
uint64_t packed_bytes(const GemmKernel& kernel, int64_t n, int64_t k);
PackedHeader packed_header(const GemmKernel& kernel, int64_t n, int64_t k, bool int4);

// Packs b of `problem` (n, k, the strides or the layout; no batch) to `panels`, for which header.bytes minus the header
// are there.
void pack_panels(const GemmProblem& problem, const GemmKernel& kernel, std::byte* panels, ExecutionContext& ctx);
// The other way: out[j * k + p] = b(p, j).
void unpack_panels(const GemmKernel& kernel, int64_t n, int64_t k, const std::byte* panels, int8_t* out,
                   ExecutionContext& ctx);

}  // namespace a8w8
