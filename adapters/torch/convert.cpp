#include "convert.h"

#include <ATen/ops/empty.h>
#include <c10/core/ScalarType.h>
#include <torch/csrc/stable/c/shim.h>

#include <array>
#include <sstream>

#include "a8w8/status.h"

namespace a8w8::torch_adapter {
namespace {

struct TypePair {
  DType dtype;
  at::ScalarType scalar_type;
};

constexpr std::array<TypePair, kDTypeCount> kTypes = {{{DType::kI8, at::kChar},
                                                       {DType::kU8, at::kByte},
                                                       {DType::kI32, at::kInt},
                                                       {DType::kI64, at::kLong},
                                                       {DType::kF16, at::kHalf},
                                                       {DType::kBF16, at::kBFloat16},
                                                       {DType::kF32, at::kFloat},
                                                       {DType::kBool, at::kBool},
                                                       {DType::kI16, at::kShort},
                                                       {DType::kF64, at::kDouble}}};

template <class... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw Error(ErrorCode::kInvalidArgument, text.str());
}

// Sizes and strides as plain numbers. Under torch.compile with dynamic shapes they are symbols; asking for their value
// makes the graph specialize on it, which is correct for every shape at the price of a recompilation for a new one.
Dims to_dims(c10::SymIntArrayRef values) {
  Dims dims;
  for (const c10::SymInt& v : values) dims.push_back(v.guard_int(__FILE__, __LINE__));
  return dims;
}

void torch_parallel(int64_t tasks, FunctionRef<void(int64_t)> task) {
  const auto range = [](int64_t begin, int64_t end, void* f) {
    for (int64_t i = begin; i < end; ++i) (*static_cast<FunctionRef<void(int64_t)>*>(f))(i);
  };
  // The C entry point rather than the template at::parallel_for: that one would compile OpenMP code into this library.
  if (torch_parallel_for(0, tasks, 1, range, &task) != 0) throw Error(ErrorCode::kIo, "torch_parallel_for failed");
}

int torch_threads() {
  uint32_t threads = 1;
  torch_get_num_threads(&threads);
  return static_cast<int>(threads);
}

}  // namespace

std::optional<DType> to_dtype(at::ScalarType type) {
  switch (type) {
    case at::kQInt8:
      return DType::kI8;
    case at::kQUInt8:
      return DType::kU8;
    case at::kQInt32:
      return DType::kI32;
    default:
      break;
  }
  for (const TypePair& pair : kTypes) {
    if (pair.scalar_type == type) return pair.dtype;
  }
  return std::nullopt;
}

at::ScalarType to_scalar_type(DType dtype) { return kTypes[static_cast<int>(dtype)].scalar_type; }

DType dtype_argument(const char* op, const char* name, int64_t scalar_type) {
  const bool known = scalar_type >= 0 && scalar_type < static_cast<int64_t>(at::ScalarType::NumOptions);
  const auto dtype = known ? to_dtype(static_cast<at::ScalarType>(scalar_type)) : std::nullopt;
  if (!dtype) {
    refuse(op, ": ", name, " is ", known ? c10::toString(static_cast<at::ScalarType>(scalar_type)) : "no torch.dtype",
           " (number ", scalar_type, "), which is not supported");
  }
  return *dtype;
}

ConstTensorView Operands::view(const at::Tensor& tensor, const char* name) const {
  const bool right_device = mode_ == Mode::kMeta ? tensor.is_meta() : tensor.is_cpu();
  if (!right_device) refuse(op_, ": ", name, " is on ", tensor.device(), ", but the other operands are on the CPU");
  const auto dtype =
      tensor.is_quantized() || tensor.layout() != at::kStrided ? std::nullopt : to_dtype(tensor.scalar_type());
  if (!dtype) {
    refuse(op_, ": ", name, " is ", c10::toString(tensor.scalar_type()), " with layout ", tensor.layout(),
           ", but must be a plain strided tensor of a dtype the operation allows");
  }
  if (tensor.dim() > kMaxRank)
    refuse(op_, ": ", name, " has ", tensor.dim(), " dimensions, but at most ", kMaxRank, " are allowed");
  const void* data = mode_ == Mode::kMeta ? nullptr : tensor.const_data_ptr();
  return ConstTensorView(data, *dtype, to_dims(tensor.sym_sizes()), to_dims(tensor.sym_strides()));
}

std::optional<ConstTensorView> Operands::view(OptionalTensor tensor, const char* name) const {
  if (!tensor || !tensor->defined()) return std::nullopt;
  return view(*tensor, name);
}

at::Tensor Operands::empty(const TensorDesc& desc) const {
  const at::IntArrayRef sizes(desc.sizes.begin(), desc.sizes.end());
  return at::empty(sizes,
                   at::TensorOptions(to_scalar_type(desc.dtype)).device(mode_ == Mode::kMeta ? at::kMeta : at::kCPU));
}

TensorView output_view(const at::Tensor& tensor) {
  return TensorView(tensor.mutable_data_ptr(), *to_dtype(tensor.scalar_type()),
                    Dims(tensor.sizes().data(), tensor.dim()));
}

ExecutionContext& current_context() {
  thread_local ExecutionContext context(torch_threads(), torch_parallel);
  context.set_num_threads(torch_threads());
  return context;
}

}  // namespace a8w8::torch_adapter
