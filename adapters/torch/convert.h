// Between PyTorch's types and ours. No copies, and no rules but those of the conversion itself: what has no counterpart
// here is refused, everything else is the validator's business (src/spec).
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "a8w8/context.h"
#include "a8w8/status.h"
#include "a8w8/tensor_view.h"

namespace a8w8::torch_adapter {

using OptionalTensor = const std::optional<at::Tensor>&;

// Whether a kernel computes (CPU), or only says what the result looks like (Meta). Both share all code up to the
// computation, so they refuse the same calls with the same words.
enum class Mode { kCpu, kMeta };

// Which dimensions of an operand may stay symbols in a graph with dynamic shapes: none, all but the last two, all but
// the last, all. The others become numbers, on which the graph then depends.
enum class Free { kNone, kBatch, kRows, kAll };

// Converts the operands of one op. The views of Meta tensors have no data.
//
// [symbolic-sizes] The validator works on numbers. While a graph with dynamic shapes is traced, sizes are symbols; each
// distinct symbol gets a stand-in, a number that is equal to no other size. What the rules accept for a stand-in they
// accept for every value of the symbol from 2 on (they only compare sizes with each other; 0 and 1 are never symbols),
// and a size of the result that is a stand-in is that symbol again. What they refuse may still be right for the values
// at hand. So with_operands() asks up to three times:
//   kStandIns   each symbol is a stand-in of its own: the graph depends on nothing
//   kUnified    symbols in the same place (say, m of x1 and of pertoken_scale) that are equal now share a stand-in: the
//               graph depends on their being equal
//   kNumbers    symbols are turned into numbers, on which the graph then depends; the messages have these numbers
class Operands {
 public:
  enum class Symbols { kStandIns, kUnified, kNumbers };

  Operands(const char* op, Mode mode, Symbols symbols) : op_(op), mode_(mode), symbols_(symbols) {}

  // `place` is the place of the last dimension among those of the other operands, counted from the last one: 1 for
  // pertoken_scale (m,), whose only dimension is the last but one of x1.
  ConstTensorView view(const at::Tensor& tensor, const char* name, Free free = Free::kNone, int64_t place = 0);
  std::optional<ConstTensorView> view(OptionalTensor tensor, const char* name, Free free = Free::kNone,
                                      int64_t place = 0);
  at::Tensor empty(const TensorDesc& desc) const;
  bool has_stand_ins() const { return !stand_ins_.empty(); }

 private:
  struct StandIn {
    std::string expression;
    c10::SymInt symbol;
    int64_t place;
    int64_t number;
  };
  int64_t number_for(const c10::SymInt& size, bool may_stay_symbol, int64_t place);

  const char* op_;
  Mode mode_;
  Symbols symbols_;
  std::vector<StandIn> stand_ins_;
};

// Runs an op's body on its Operands; see [symbolic-sizes].
template <class Body>
auto with_operands(const char* op, Mode mode, Body body) {
  for (const auto symbols : {Operands::Symbols::kStandIns, Operands::Symbols::kUnified}) {
    if (mode == Mode::kCpu) break;
    Operands operands(op, mode, symbols);
    try {
      return body(operands);
    } catch (const Error&) {
      if (!operands.has_stand_ins()) throw;
    }
  }
  Operands operands(op, mode, Operands::Symbols::kNumbers);
  return body(operands);
}

TensorView output_view(const at::Tensor& tensor);

at::ScalarType to_scalar_type(DType dtype);
// Null for a type without counterpart.
std::optional<DType> to_dtype(at::ScalarType type);
// A dtype argument: the number of a torch.dtype; of a plain one, or also of a quantized one, which stands for it.
DType dtype_argument(const char* op, const char* name, int64_t scalar_type, bool quantized = false);
inline bool is_quint4x2(int64_t scalar_type) { return scalar_type == static_cast<int64_t>(at::kQUInt4x2); }

// This thread's context: PyTorch's own threads, as many as torch.get_num_threads() says now.
ExecutionContext& current_context();

}  // namespace a8w8::torch_adapter
