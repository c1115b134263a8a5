// What this folder implements, for its table.cpp. The contracts are in kernels/*_kernel.h.
#pragma once

#include "kernels/epilogue_kernel.h"
#include "kernels/gemm_kernel.h"
#include "kernels/peak_kernel.h"
#include "kernels/quantize_kernel.h"

namespace a8w8::avx512_vnni {

inline constexpr int kMr = 6, kNr = 64, kKr = 4;  // the register tile, see gemm.cpp
inline constexpr int kDotMaxM = 48, kDotKr = 64, kDotInt4Kr = 128;

PackAFn pack_a, pack_dot_a, pack_dot_int4_a;
PackBFn pack_b;
RowInitFn row_init;
GemmFn gemm;
DotFn dot, dot_int4;
EpilogueFn epilogue;
QuantizeRowFn quantize_row;
DynamicQuantRowFn dynamic_quant_row;
PeakFn peak;
ReadFn read;

}  // namespace a8w8::avx512_vnni
