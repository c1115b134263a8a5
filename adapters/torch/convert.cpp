#include "convert.h"

#include <ATen/EmptyTensor.h>
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

// Stand-ins for symbolic sizes: odd, so that they are multiples of no block, and larger than any real size.
constexpr int64_t kFirstStandIn = (int64_t{1} << 40) + 1;

bool may_stay_symbol(Free free, int64_t dim, int64_t rank) {
  switch (free) {
    case Free::kNone:
      return false;
    case Free::kBatch:
      return dim < rank - 2;
    case Free::kRows:
      return dim < rank - 1;
    case Free::kAll:
      return true;
  }
  return false;
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
  for (const TypePair& pair : kTypes) {
    if (pair.scalar_type == type) return pair.dtype;
  }
  return std::nullopt;
}

at::ScalarType to_scalar_type(DType dtype) { return kTypes[static_cast<int>(dtype)].scalar_type; }

DType dtype_argument(const char* op, const char* name, int64_t scalar_type, bool quantized) {
  const bool known = scalar_type >= 0 && scalar_type < static_cast<int64_t>(at::ScalarType::NumOptions);
  at::ScalarType type = known ? static_cast<at::ScalarType>(scalar_type) : at::ScalarType::Undefined;
  if (quantized && (type == at::kQInt8 || type == at::kQUInt8 || type == at::kQInt32)) type = at::toUnderlying(type);
  const auto dtype = known ? to_dtype(type) : std::nullopt;
  if (!dtype) {
    refuse(op, ": ", name, " is ", known ? c10::toString(static_cast<at::ScalarType>(scalar_type)) : "no torch.dtype",
           " (number ", scalar_type, "), which is not supported");
  }
  return *dtype;
}

int64_t Operands::number_for(const c10::SymInt& size, bool may_stay_symbol, int64_t place) {
  if (const auto number = size.maybe_as_int()) {
    if (mode_ == Mode::kMeta && *number >= kFirstStandIn) refuse(op_, ": a size is ", *number, ", which is too large");
    return *number;
  }
  if (symbols_ == Symbols::kNumbers || !may_stay_symbol) return size.guard_int(__FILE__, __LINE__);
  const std::string expression = size.toSymNode()->str();
  for (const StandIn& s : stand_ins_) {
    if (s.expression == expression) return s.number;
  }
  for (const StandIn& s : stand_ins_) {
    const bool may_be_equal = symbols_ == Symbols::kUnified && s.place == place;
    if (may_be_equal && s.symbol.sym_eq(size).guard_or_false(__FILE__, __LINE__)) return s.number;
  }
  stand_ins_.push_back({expression, size, place, kFirstStandIn + 2 * static_cast<int64_t>(stand_ins_.size())});
  return stand_ins_.back().number;
}

ConstTensorView Operands::view(const at::Tensor& tensor, const char* name, Free free, int64_t place) {
  const bool right_device = mode_ == Mode::kMeta ? tensor.is_meta() : tensor.is_cpu();
  if (!right_device) {
    refuse(op_, ": ", name, " is on ", tensor.device(), ", but the other operands are on ",
           mode_ == Mode::kMeta ? "meta" : "cpu");
  }
  const auto dtype =
      tensor.is_quantized() || tensor.layout() != at::kStrided ? std::nullopt : to_dtype(tensor.scalar_type());
  if (!dtype) {
    refuse(op_, ": ", name, " is ", c10::toString(tensor.scalar_type()), " with layout ", tensor.layout(),
           ", but must be a plain strided tensor of a dtype the operation allows");
  }
  const int64_t rank = tensor.dim();
  if (rank > kMaxRank) refuse(op_, ": ", name, " has ", rank, " dimensions, but at most ", kMaxRank, " are allowed");
  if (mode_ == Mode::kCpu) {
    return ConstTensorView(tensor.const_data_ptr(), *dtype, Dims(tensor.sizes().data(), rank),
                           Dims(tensor.strides().data(), rank));
  }
  Dims sizes;
  for (int64_t i = 0; i < rank; ++i) {
    const int64_t from_last = rank - 1 - i + place;
    sizes.push_back(number_for(tensor.sym_sizes()[i], may_stay_symbol(free, i, rank), from_last));
  }
  ConstTensorView view(nullptr, *dtype, sizes);
  // No rule asks for the strides of an operand whose sizes may be symbols.
  for (int64_t i = 0; i < rank && free == Free::kNone; ++i)
    view.strides[i] = tensor.sym_strides()[i].guard_int(__FILE__, __LINE__);
  return view;
}

std::optional<ConstTensorView> Operands::view(OptionalTensor tensor, const char* name, Free free, int64_t place) {
  if (!tensor || !tensor->defined()) return std::nullopt;
  return view(*tensor, name, free, place);
}

at::Tensor Operands::empty(const TensorDesc& desc) const {
  const at::ScalarType type = to_scalar_type(desc.dtype);
  if (mode_ == Mode::kCpu) return at::detail::empty_cpu(at::IntArrayRef(desc.sizes.begin(), desc.sizes.end()), type);
  std::vector<c10::SymInt> sizes(desc.sizes.begin(), desc.sizes.end());
  for (c10::SymInt& size : sizes) {
    for (const StandIn& s : stand_ins_) {
      if (size.maybe_as_int() == s.number) size = s.symbol;
    }
  }
  return at::empty_symint(sizes, at::TensorOptions(type).device(at::kMeta));
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
