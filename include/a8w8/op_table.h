// What each op accepts, as data: the vendor's tables that the validator reads, and docs/ops.md is made of.
//
//   for (const QuantMatmulRow& row : quant_matmul_table(Product::kAtlasA2))
//     std::printf("row %d: scale %s\n", row.number, describe(row.scale).c_str());
#pragma once

#include <span>
#include <string>
#include <vector>

#include "a8w8/dtype.h"
#include "a8w8/product.h"

namespace a8w8 {

// A row of npu_quant_matmul's table accepts a call if every cell contains the operand's dtype, or absent where the
// operand is not given.
struct QuantMatmulRow {
  int number;  // in the vendor's table of the product
  DTypeSet x, scale, offset, bias, pertoken_scale, output;
  bool per_group = false;  // for calls with group_sizes, and for no others
};

std::span<const QuantMatmulRow> quant_matmul_table(Product product);
const char* quant_matmul_table_title(Product product);  // "Atlas A2/A3", "Atlas inference"

// One operand of an op: the dtypes it may have (or absent), and in words its shape.
struct OperandRow {
  const char* name;
  DTypeSet dtypes;
  const char* shape;
};

// An op, or one form of it where an argument decides which dtypes are allowed.
struct OpForm {
  const char* op;       // "npu_quantize"
  const char* form;     // "div_mode=True", or empty
  const char* formula;  // what is computed, one line or more
  std::vector<OperandRow> operands;
  DTypeSet result;
};

// All forms but npu_quant_matmul's, whose dtypes are the table above.
std::vector<OpForm> op_forms(Product product);

// "int8, float16 or none"
std::string describe(DTypeSet set);

}  // namespace a8w8
