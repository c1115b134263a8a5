// Between PyTorch's types and ours. No copies, and no rules but those of the conversion itself: what has no counterpart
// here is refused, everything else is the validator's business (src/spec).
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "a8w8/context.h"
#include "a8w8/tensor_view.h"

namespace a8w8::torch_adapter {

using OptionalTensor = const std::optional<at::Tensor>&;

// Whether a kernel computes (CPU), or only says what the result looks like (Meta). Both share all code up to the
// computation, so they refuse the same calls with the same words.
enum class Mode { kCpu, kMeta };

// Converts the operands of one op. The views of Meta tensors have no data.
class Operands {
 public:
  Operands(const char* op, Mode mode) : op_(op), mode_(mode) {}

  ConstTensorView view(const at::Tensor& tensor, const char* name) const;
  std::optional<ConstTensorView> view(OptionalTensor tensor, const char* name) const;
  at::Tensor empty(const TensorDesc& desc) const;

 private:
  const char* op_;
  Mode mode_;
};

TensorView output_view(const at::Tensor& tensor);

at::ScalarType to_scalar_type(DType dtype);
// Null for a type without counterpart. qint8, quint8 and qint32 count as int8, uint8 and int32.
std::optional<DType> to_dtype(at::ScalarType type);
// A dtype argument: the number of a torch.dtype.
DType dtype_argument(const char* op, const char* name, int64_t scalar_type);

// This thread's context: PyTorch's own threads, as many as torch.get_num_threads() says now.
ExecutionContext& current_context();

}  // namespace a8w8::torch_adapter
