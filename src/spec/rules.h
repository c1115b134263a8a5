// What the rule files share. A rule returns a Status whose message names operand, value, what is allowed and which
// rule.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>

#include "a8w8/op_table.h"
#include "a8w8/status.h"
#include "a8w8/tensor_view.h"
#include "base/str_cat.h"

namespace a8w8 {

inline Status fine() { return {}; }

// Out of line, so that the rules, which seldom get here, are small enough to be inlined.
template <class... Parts>
[[gnu::cold, gnu::noinline]] Status invalid(const Parts&... parts) {
  return {ErrorCode::kInvalidArgument, str_cat(parts...)};
}

// `view` must be of a dtype in `allowed`; of an operand's row.
Status check_dtype(const char* op, const char* operand, const ConstTensorView& view, DTypeSet allowed);
Status check_dtype(const char* op, const OperandRow& operand, const ConstTensorView& view);
// Likewise, if it is given; whether it may be absent is the rule's business.
Status check_dtype(const char* op, const OperandRow& operand, const std::optional<ConstTensorView>& view);
// `view` must be (1,) or (length,), `what` being the name of length: "n".
Status check_vector(const char* op, const char* operand, const ConstTensorView& view, int64_t length, const char* what,
                    bool allow_one = true);
// The result must be what infer() says, and contiguous.
Status check_output(const char* op, const char* operand, const TensorView& out, const TensorDesc& desc);

// Operands that are about to be read: no negative size, and data wherever there are elements. Shapes alone, without
// data, are enough for infer().
struct NamedOperand {
  NamedOperand(const char* name, const ConstTensorView& view) : name(name), view(&view) {}
  NamedOperand(const char* name, const std::optional<ConstTensorView>& view)
      : name(name), view(view ? &*view : nullptr) {}
  const char* name;
  const ConstTensorView* view;  // null if absent
};
Status check_readable(const char* op, std::initializer_list<NamedOperand> operands);

// Returns from the enclosing function if the rule is broken.
#define A8W8_RETURN_IF_BROKEN(expression)               \
  do {                                                  \
    if (Status status_ = (expression); !status_.ok()) { \
      return status_;                                   \
    }                                                   \
  } while (false)

}  // namespace a8w8
