// Looks a call of npu_quant_matmul up in the product's table, and says what to change where no row fits.
#pragma once

#include "a8w8/quant_matmul.h"
#include "a8w8/status.h"

namespace a8w8 {

Status check_dtype_combination(const QuantMatmulArgs& args, Product product);

}  // namespace a8w8
