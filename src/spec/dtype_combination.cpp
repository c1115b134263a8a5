#include "spec/dtype_combination.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "a8w8/op_table.h"
#include "spec/quant_matmul_rules.h"
#include "spec/rules.h"

namespace a8w8 {
namespace {

using Rows = std::vector<QuantMatmulRow>;

// The rows of the product's table that are for calls with group_sizes, or those for calls without.
Rows rows_for(const QuantMatmulArgs& args, Product product) {
  Rows rows;
  for (const QuantMatmulRow& row : quant_matmul_table(product)) {
    if (row.per_group == is_per_group(args)) rows.push_back(row);
  }
  return rows;
}

struct Operand {
  const char* name;
  DTypeSet QuantMatmulRow::*cell;
  DTypeSet value;  // one dtype, or absent

  bool fits(const QuantMatmulRow& row) const { return (row.*cell).contains(value); }
  bool absent() const { return value.allows_absent(); }
  // "bias=int32", "no bias"
  std::string text() const { return absent() ? str_cat("no ", name) : str_cat(name, "=", describe(value)); }
};

// In the order in which an operand is blamed: the one that users most often get wrong first.
using Operands = std::array<Operand, 6>;

DTypeSet dtype_of(const std::optional<ConstTensorView>& view) {
  return view ? DTypeSet(view->dtype) : DTypeSet::absent();
}

Operands operands_of(const QuantMatmulArgs& args) {
  return {{{"bias", &QuantMatmulRow::bias, dtype_of(args.bias)},
           {"pertoken_scale", &QuantMatmulRow::pertoken_scale, dtype_of(args.pertoken_scale)},
           {"offset", &QuantMatmulRow::offset, dtype_of(args.offset)},
           {"scale", &QuantMatmulRow::scale, args.scale.dtype},
           {"output_dtype", &QuantMatmulRow::output, args.output_dtype},
           {"x1", &QuantMatmulRow::x, args.x1.dtype}}};
}

// All operands of the call at once: this is the path of every good call.
bool fits(const QuantMatmulArgs& args, const QuantMatmulRow& row) {
  return row.x.contains(args.x1.dtype) && row.scale.contains(args.scale.dtype) &&
         row.output.contains(args.output_dtype) && row.pertoken_scale.contains(dtype_of(args.pertoken_scale)) &&
         row.bias.contains(dtype_of(args.bias)) && row.offset.contains(dtype_of(args.offset));
}

// What would make `wrong` fit while all the others stay as they are: the union over the rows that all the others fit.
struct Remedy {
  DTypeSet allowed;
  std::string rows;  // "row 1", "rows 1, 2"
};

Remedy remedy_for(const Operand& wrong, const Operands& operands, const Rows& rows) {
  Remedy remedy;
  int count = 0;
  for (const QuantMatmulRow& row : rows) {
    const bool others_fit = std::all_of(operands.begin(), operands.end(),
                                        [&](const Operand& o) { return o.cell == wrong.cell || o.fits(row); });
    if (!others_fit) continue;
    remedy.allowed = remedy.allowed | row.*wrong.cell;
    remedy.rows += (count++ ? ", " : "") + std::to_string(row.number);
  }
  if (count > 0) remedy.rows = (count > 1 ? "rows " : "row ") + remedy.rows;
  return remedy;
}

// "x1=int8, scale=float32, no pertoken_scale, output_dtype=float16"; optional operands that are absent go without
// saying.
std::string call_text(const Operands& operands, const Operand* except) {
  std::string text;
  for (const char* name : {"x1", "scale", "offset", "pertoken_scale", "bias", "output_dtype"}) {
    for (const Operand& o : operands) {
      if (&o == except || o.name != std::string(name)) continue;
      const bool worth_saying = !o.absent() || o.cell == &QuantMatmulRow::pertoken_scale;
      if (worth_saying) text += (text.empty() ? "" : ", ") + o.text();
    }
  }
  return text;
}

std::string suggestion(const Operand& o, const Remedy& remedy) {
  if (remedy.allowed == DTypeSet::absent()) return str_cat("no ", o.name, " (", remedy.rows, ")");
  return str_cat(o.name, "=", describe(remedy.allowed), " (", remedy.rows, ")");
}

// One operand is wrong: blame the first that could be put right alone, and name the others that could.
Status explain_one(const Operands& operands, const Rows& rows, const char* title) {
  const Operand* blamed = nullptr;
  Remedy remedy;
  std::string alternatives;
  for (const Operand& o : operands) {
    const Remedy r = remedy_for(o, operands, rows);
    if (r.allowed.empty()) continue;
    if (blamed == nullptr) {
      blamed = &o;
      remedy = r;
    } else {
      alternatives += (alternatives.empty() ? " Did you mean " : ", or ") + suggestion(o, r);
    }
  }
  if (blamed == nullptr) return fine();
  const std::string given = blamed->absent() ? "missing" : describe(blamed->value);
  return invalid("npu_quant_matmul: ", blamed->name, " is ", given, ", but for ", call_text(operands, blamed), " the ",
                 title, " table allows ", describe(remedy.allowed), " (", remedy.rows, ").",
                 alternatives.empty() ? "" : alternatives + "?");
}

// Several are wrong: name the row that is nearest and what it wants.
Status explain_several(const Operands& operands, const Rows& rows, const char* title) {
  const QuantMatmulRow* nearest = nullptr;
  int64_t fewest = 0;
  for (const QuantMatmulRow& row : rows) {
    const int64_t misfits =
        std::count_if(operands.begin(), operands.end(), [&](const Operand& o) { return !o.fits(row); });
    if (nearest == nullptr || misfits < fewest) nearest = &row, fewest = misfits;
  }
  std::string wants;
  for (const Operand& o : operands) {
    if (!o.fits(*nearest)) {
      wants +=
          str_cat(wants.empty() ? "" : ", ", o.name, " ", describe(nearest->*o.cell), " (is ", describe(o.value), ")");
    }
  }
  return invalid("npu_quant_matmul: the ", title, " table has no row for ", call_text(operands, nullptr),
                 "; the nearest, row ", nearest->number, ", wants ", wants, ".");
}

}  // namespace

Status check_dtype_combination(const QuantMatmulArgs& args, Product product) {
  const char* title = quant_matmul_table_title(product);
  if (args.x1.dtype != args.x2.dtype) {
    return invalid("npu_quant_matmul: x1 is ", dtype_name(args.x1.dtype), ", but x2 is ", dtype_name(args.x2.dtype),
                   "; they must be of one dtype, for which the ", title, " table allows ",
                   product == Product::kAtlasA2 ? "int8, or int32 (words of int4)" : "int8");
  }
  const bool per_group = is_per_group(args);
  for (const QuantMatmulRow& row : quant_matmul_table(product)) {
    if (row.per_group == per_group && fits(args, row)) return fine();
  }
  const Operands operands = operands_of(args);
  const Rows rows = rows_for(args, product);
  if (rows.empty()) {
    return invalid("npu_quant_matmul: group_sizes is ", args.group_sizes->str(), ", but the ", title,
                   " table has no row for groups; it must be None or three zeros or ones");
  }
  Status status = explain_one(operands, rows, title);
  return status.ok() ? explain_several(operands, rows, title) : status;
}

}  // namespace a8w8
