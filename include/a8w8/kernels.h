// Which kernels calls run on.
//
//   ExecutionContext ctx;
//   puts(kernel_names(ctx.isas()).gemm);   // "gemm_s8s8s32_6x16x2_avx2"
#pragma once

#include "a8w8/isa.h"

namespace a8w8 {

struct KernelNames {
  const char* gemm;      // packed panels: most products
  const char* dot;       // few rows against a weight as it is stored
  const char* epilogue;  // sums to results
  const char* quantize;  // floats to int8
};

KernelNames kernel_names(IsaSet available);

}  // namespace a8w8
