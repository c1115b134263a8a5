// What this folder implements, for its table.cpp and for neon_i8mm's. The contracts are in kernels/*_kernel.h.
#pragma once

#include "kernels/epilogue_kernel.h"
#include "kernels/gemm_kernel.h"
#include "kernels/peak_kernel.h"
#include "kernels/quantize_kernel.h"

namespace a8w8::neon_dot {

inline constexpr int kMr = 5, kNr = 64,
                     kKr = 16;  // also for the dot kernel; see gemm.cpp: four register tiles of 5 x 16, side by side
inline constexpr int kDotMaxM = 24;

PackAFn pack_a, pack_dot_a;
RowInitFn row_init;
PackBFn pack_b;
GemmFn gemm;
DotFn dot;
EpilogueFn epilogue;
QuantizeRowFn quantize_row;
DynamicQuantRowFn dynamic_quant_row;
PeakFn peak;
ReadFn read;

}  // namespace a8w8::neon_dot
