#include "checkpoint/layer_roles.h"

#include <cmath>

#include "base/str_cat.h"
#include "checkpoint/scalars.h"

namespace a8w8::checkpoint {
namespace {

bool is_legal(Values rule, double x) {
  switch (rule) {
    case Values::kPositive:
      return std::isfinite(x) && x > 0;
    case Values::kNotNegative:
      return std::isfinite(x) && x >= 0;
    case Values::kZero:
      return x == 0;
    case Values::kInt8Range:
      return x >= -128 && x <= 127 && x == std::rint(x);
    case Values::kAny:
      break;
  }
  return true;
}

const char* describe(Values rule) {
  switch (rule) {
    case Values::kPositive:
      return "finite and greater than 0";
    case Values::kNotNegative:
      return "finite and not negative";
    case Values::kZero:
      return "0, as weights are quantized symmetrically";
    case Values::kInt8Range:
      return "an integer from -128 to 127";
    case Values::kAny:
      break;
  }
  return "anything";
}

const char* cause_of(Values rule, double x) {
  if (std::isnan(x)) return "the float model or the calibration held NaN, or the file is damaged";
  if (std::isinf(x)) return "an overflow of float16 while quantizing, or the file is damaged";
  if (rule == Values::kInt8Range) {
    return x == std::rint(x) ? "a zero point of another number format (uint8?), or the file is damaged"
                             : "a zero point that was never rounded, or a scale under the name of an offset";
  }
  if (rule == Values::kZero) return "asymmetric weights, which no W8A8 runtime computes";
  return x == 0 ? "an underflow of float16 while quantizing (try bfloat16), or calibration on inputs that were all zero"
                : "a file that is damaged or was made by another program";
}

std::string shape_rule(Count count, int64_t n) {
  if (count == Count::kOne) return "one number";
  const std::string rows = str_cat("of shape (", n, ",) or (", n, ", 1)");
  return count == Count::kRow ? rows : rows + ", or one number";
}

bool shape_fits(const ConstTensorView& view, Count count, int64_t n) {
  const bool is_vector = view.rank() <= 2 && (view.rank() < 2 || view.sizes[1] == 1);
  const bool is_one = view.numel() == 1, is_row = view.numel() == n;
  return is_vector && (count == Count::kOne ? is_one : is_row || (count == Count::kRowOrOne && is_one));
}

// One tensor against its row of the table.
void check_role(const TensorTable& table, const CheckpointTensor& tensor, const Role& role, int64_t n,
                Findings& findings) {
  const ConstTensorView& view = tensor.view;
  Finding finding{.file = table.file_of(tensor.name), .tensor = tensor.name};
  if (!role.dtypes.contains(view.dtype)) {
    finding.found = str_cat("is ", dtype_name(view.dtype));
    finding.expected = dtype_names(role.dtypes);
    finding.cause = "a tensor of another scheme under this layer's type, or a file converted by another program";
    return findings.add(finding);
  }
  if (!shape_fits(view, role.count, n)) {
    const bool per_group = role.count != Count::kOne && view.rank() == 2 && view.sizes[0] == n && view.sizes[1] > 1;
    finding.found = "has shape " + view.sizes.str();
    finding.expected = shape_rule(role.count, n);
    finding.cause = per_group
                        ? "scales of groups of k (group_size > 0), which are not supported; needed: one scale a row"
                        : "a tensor of another layer or of another model, or a weight that was cut";
    return findings.add(finding);
  }
  if (role.values == Values::kAny) return;
  const bool packed = role.values == Values::kPositive && view.dtype == DType::kI64;
  for (int64_t i = 0; i < view.numel(); ++i) {
    const double x = packed ? packed_scale(view, i) : element(view, i);
    if (is_legal(role.values, x)) continue;
    finding.found = str_cat("has ", x, " at index ", i);
    finding.expected = describe(role.values);
    finding.cause = cause_of(role.values, x);
    return findings.add(finding);
  }
}

}  // namespace

void check_roles(const TensorTable& table, const std::string& layer, const std::string& type, int64_t n,
                 std::span<const Role> roles, Findings& findings) {
  for (const Role& role : roles) {
    const std::string name = layer + "." + role.name;
    if (const CheckpointTensor* tensor = table.find(name)) {
      check_role(table, *tensor, role, n, findings);
    } else if (role.required && table.is_missing(name)) {
      findings.add({.file = table.file_of(layer + ".weight"),
                    .tensor = name,
                    .found = "is missing",
                    .expected = "there: " + type + " layers need it",
                    .cause = "a layer of another type than its description says, or a file of the model is missing"});
    }
  }
}

bool check_int8_matrix(const TensorTable& table, const CheckpointTensor& weight, const std::string& type,
                       Findings& findings) {
  Finding finding{.file = table.file_of(weight.name), .tensor = weight.name};
  if (weight.view.dtype != DType::kI8) {
    finding.found = str_cat("is ", dtype_name(weight.view.dtype));
    finding.expected = "int8, as the weight of a " + type + " layer is";
    finding.cause = "the layer was left float but is listed as quantized, or the folder holds the float model's file";
  } else if (weight.view.rank() != 2 || weight.view.numel() == 0) {
    finding.found = "has shape " + weight.view.sizes.str();
    finding.expected = "a non-empty matrix (n, k), as the weight of a " + type + " layer is";
    finding.cause = "a layer that is no nn.Linear, or a file made by another program";
  } else {
    return true;
  }
  findings.add(finding);
  return false;
}

}  // namespace a8w8::checkpoint
