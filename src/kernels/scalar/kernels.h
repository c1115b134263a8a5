// What this folder implements, for its table.cpp. The contracts are in kernels/*_kernel.h.
#pragma once

#include "kernels/epilogue_kernel.h"
#include "kernels/gemm_kernel.h"
#include "kernels/peak_kernel.h"
#include "kernels/quantize_kernel.h"

namespace a8w8::scalar {

inline constexpr int kMr = 4, kNr = 8, kKr = 4;  // the register tile, see gemm.cpp
inline constexpr int kDotMaxM = 8;

PackAFn pack_a;
PackBFn pack_b;
GemmFn gemm;
DotFn dot;
EpilogueFn epilogue;
QuantizeRowFn quantize_row;
DynamicQuantRowFn dynamic_quant_row;
PeakFn peak;
ReadFn read;

}  // namespace a8w8::scalar
