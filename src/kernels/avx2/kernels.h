// What this folder implements, for its table.cpp. The contracts are in kernels/*_kernel.h.
#pragma once

#include "kernels/epilogue_kernel.h"
#include "kernels/gemm_kernel.h"
#include "kernels/peak_kernel.h"
#include "kernels/quantize_kernel.h"

namespace a8w8::avx2 {

inline constexpr int kMr = 6, kNr = 16, kKr = 2;  // the register tile, see gemm.cpp
inline constexpr int kDotMaxM = 10, kDotKr = 16;
inline constexpr int kDotInt4MaxM = 64, kDotInt4Kr = 64;

PackAFn pack_a, pack_dot_a, pack_dot_int4_a;
PackBFn pack_b;
GemmFn gemm;
RowBesideFn gemm_row_beside;
DotFn dot, dot_int4;
EpilogueFn epilogue;
QuantizeRowFn quantize_row;
DynamicQuantRowFn dynamic_quant_row;
PeakFn peak;
ReadFn read;

}  // namespace a8w8::avx2
