// The legal combinations of dtypes of npu_quant_matmul, as the vendor documents them.
#pragma once

#include <span>

#include "a8w8/dtype.h"
#include "a8w8/product.h"

namespace a8w8 {

// A row accepts a call if every cell contains the operand's dtype, or absent where the operand is not given.
struct QuantMatmulRow {
  int number;  // in the vendor's table of the product
  DTypeSet x, scale, offset, bias, pertoken_scale, output;
  bool per_group = false;  // for calls with group_sizes, and for no others
};

std::span<const QuantMatmulRow> quant_matmul_table(Product product);
const char* quant_matmul_table_title(Product product);  // "Atlas A2/A3", "Atlas inference"

}  // namespace a8w8
