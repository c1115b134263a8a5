// What this folder implements, for its table.cpp. The contracts are in kernels/*_kernel.h.
#pragma once

#include "kernels/gemm_kernel.h"
#include "kernels/peak_kernel.h"

namespace a8w8::amx_int8 {

inline constexpr int kMr = 32, kNr = 64, kKr = 64;  // see gemm.cpp
inline constexpr int kDotMaxM = 128, kDotKr = 64;   // see dot.cpp

PackAFn pack_a, pack_dot_a;
PackBFn pack_b;
RowInitFn row_init;
GemmFn gemm;
DotFn dot;
PeakFn peak;

}  // namespace a8w8::amx_int8
