// What this folder implements, for its table.cpp. The contracts are in kernels/*_kernel.h. Whatever does not multiply
// is neon_dot's.
#pragma once

#include "kernels/gemm_kernel.h"
#include "kernels/peak_kernel.h"

namespace a8w8::neon_i8mm {

inline constexpr int kMr = 12, kNr = 64, kKr = 8;  // see gemm.cpp: eight register tiles of 12 x 8, side by side
inline constexpr int kDotMaxM = 16, kDotKr = 16;

PackAFn pack_a, pack_dot_a;
PackBFn pack_b;
GemmFn gemm;
DotFn dot;
PeakFn peak;

}  // namespace a8w8::neon_i8mm
