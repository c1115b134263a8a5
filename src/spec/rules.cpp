#include "spec/rules.h"

#include <vector>

namespace a8w8 {

std::string describe(DTypeSet set) {
  std::vector<std::string> names;
  for (int i = 0; i < kDTypeCount; ++i) {
    const DType t = static_cast<DType>(i);
    if (set.contains(t)) names.push_back(dtype_name(t));
  }
  if (set.allows_absent()) names.push_back("none");
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
  }
  return text;
}

Status check_dtype(const char* op, const char* operand, const ConstTensorView& view, DTypeSet allowed) {
  if (allowed.contains(view.dtype)) return fine();
  return invalid(op, ": ", operand, " is ", dtype_name(view.dtype), ", but must be ", describe(allowed));
}

Status check_dtype(const char* op, const OperandRow& operand, const ConstTensorView& view) {
  return check_dtype(op, operand.name, view, DTypeSet::without_absent(operand.dtypes));
}

Status check_dtype(const char* op, const OperandRow& operand, const std::optional<ConstTensorView>& view) {
  return view ? check_dtype(op, operand, *view) : fine();
}

Status check_vector(const char* op, const char* operand, const ConstTensorView& view, int64_t length, const char* what,
                    bool allow_one) {
  if (view.rank() == 1 && (view.sizes[0] == length || (allow_one && view.sizes[0] == 1))) return fine();
  return invalid(op, ": ", operand, " has shape ", view.sizes.str(), ", but must be ", allow_one ? "(1,) or " : "", "(",
                 what, ",) with ", what, " = ", length);
}

Status check_readable(const char* op, std::initializer_list<NamedOperand> operands) {
  for (const NamedOperand& operand : operands) {
    if (operand.view == nullptr) continue;
    for (int64_t size : operand.view->sizes) {
      if (size < 0) {
        return invalid(op, ": ", operand.name, " has shape ", operand.view->sizes.str(),
                       "; sizes must not be negative");
      }
    }
    if (operand.view->data == nullptr && operand.view->numel() > 0) {
      return invalid(op, ": ", operand.name, " has no data (null pointer)");
    }
  }
  return fine();
}

Status check_output(const char* op, const char* operand, const TensorView& out, const TensorDesc& desc) {
  if (out.dtype != desc.dtype || !(out.sizes == desc.sizes)) {
    return invalid(op, ": ", operand, " is ", dtype_name(out.dtype), " ", out.sizes.str(), ", but the result is ",
                   dtype_name(desc.dtype), " ", desc.sizes.str());
  }
  if (!out.is_contiguous()) {
    return invalid(op, ": ", operand, " has strides ", out.strides.str(),
                   ", but must be contiguous: ", contiguous_strides(out.sizes).str());
  }
  if (out.data == nullptr && out.numel() > 0) return invalid(op, ": ", operand, " has no data (null pointer)");
  return fine();
}

}  // namespace a8w8
