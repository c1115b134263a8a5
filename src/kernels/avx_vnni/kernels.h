// What this folder implements, for its table.cpp. The contracts are in kernels/*_kernel.h.
#pragma once

#include "kernels/gemm_kernel.h"
#include "kernels/peak_kernel.h"

namespace a8w8::avx_vnni {

inline constexpr int kMr = 6, kNr = 16, kKr = 4;  // the register tile, see gemm.cpp
inline constexpr int kDotMaxM = 24, kDotKr = 64;

PackAFn pack_a, pack_dot_a;
PackBFn pack_b;
RowInitFn row_init;
GemmFn gemm;
DotFn dot;
PeakFn peak;

}  // namespace a8w8::avx_vnni
