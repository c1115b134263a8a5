#include "a8w8/kernels.h"
#include "kernels/registry.h"

namespace a8w8 {

KernelNames kernel_names(IsaSet available) {
  return {select_gemm(available).name, select_dot(available).name, select_epilogue(available).name,
          select_quantize(available).name};
}

}  // namespace a8w8
