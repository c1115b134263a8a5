// Every kernel of every compiled instruction set, and the choice among them. The choice is a pure function: features
// are passed in, so that each branch can be tested on any machine.
#pragma once

#include <span>
#include <string_view>

#include "kernels/epilogue_kernel.h"
#include "kernels/gemm_kernel.h"
#include "kernels/peak_kernel.h"
#include "kernels/quantize_kernel.h"

namespace a8w8 {

// What kernels/<isa>/table.cpp offers. Plain data, constant-initialized.
struct IsaTable {
  Isa isa;
  std::span<const GemmKernel> gemm;
  std::span<const DotKernel> dot;
  std::span<const EpilogueKernel> epilogue;
  std::span<const QuantizeKernel> quantize;
  std::span<const PeakKernel> peak;
  std::span<const DotKernel> dot_int4 = {};  // may be empty: then int4 is widened first
};

// The compiled tables, best first, scalar last; never empty.
std::span<const IsaTable* const> isa_tables();

// The row of this name, or null.
const GemmKernel* find_gemm(std::string_view name);

// The first row, best first, whose needs are available. `available` must contain Isa::kScalar.
const GemmKernel& select_gemm(IsaSet available);
const DotKernel& select_dot(IsaSet available);
// Null if the best instruction set that is available has none.
const DotKernel* select_dot_int4(IsaSet available);
const EpilogueKernel& select_epilogue(IsaSet available);
const QuantizeKernel& select_quantize(IsaSet available);
const PeakKernel& select_peak(IsaSet available);

}  // namespace a8w8
