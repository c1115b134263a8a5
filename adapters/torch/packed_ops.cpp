// a8w8::pack_weight, unpack_weight and quant_matmul_packed, and what linear_dynamic and linear_static need of them.
//
// A packed weight is a tensor of bytes: PyTorch copies, moves and shares it like any other, and graphs carry it. It is
// as long as the kernel of this machine wants it, which Meta knows too, for sizes and dtype alone decide.
#include <torch/library.h>

#include <span>
#include <string>

#include "a8w8/format.h"
#include "a8w8/packed_weight.h"
#include "a8w8/quant_matmul.h"
#include "a8w8/status.h"
#include "packed_operand.h"

namespace a8w8::torch_adapter {
namespace {

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::kInvalidArgument, message); }

std::span<const std::byte> bytes_of(const ConstTensorView& view) {
  return {static_cast<const std::byte*>(view.data), static_cast<size_t>(view.numel())};
}

std::span<std::byte> bytes_of(const TensorView& view) {
  return {static_cast<std::byte*>(view.data), static_cast<size_t>(view.numel())};
}

// int8 (n, k), or its words if the elements are int4.
TensorDesc plain_desc(int64_t n, int64_t k, bool int4) {
  return int4 ? TensorDesc{DType::kI32, {n, k / kInt4PerWord}} : TensorDesc{DType::kI8, {n, k}};
}

int64_t last_size(const ConstTensorView& view) { return view.rank() == 0 ? 1 : view.sizes[-1]; }

template <Mode mode>
at::Tensor pack_weight(const at::Tensor& weight) {
  return with_operands("pack_weight", mode, [&](Operands& operands) {
    ExecutionContext& ctx = current_context();
    const ConstTensorView view = operands.view(weight, "weight");
    const int64_t bytes = static_cast<int64_t>(PackedWeight::packed_bytes(view, ctx));
    const at::Tensor packed = operands.empty({DType::kU8, {bytes}});
    if constexpr (mode == Mode::kCpu) PackedWeight::pack_into(view, bytes_of(output_view(packed)), ctx);
    return packed;
  });
}

template <Mode mode>
at::Tensor unpack_weight(const at::Tensor& packed, int64_t n, int64_t k, bool int4) {
  constexpr const char* kOp = "unpack_weight";
  const TensorDesc expected = plain_desc(n, k, int4);
  if (n <= 0 || k <= 0 || (int4 && k % kInt4PerWord != 0)) {
    refuse(std::string(kOp) + ": n is " + std::to_string(n) + " and k is " + std::to_string(k) +
           ", but both must be positive, and k of int4 a multiple of 8");
  }
  return with_operands(kOp, mode, [&](Operands& operands) {
    const ConstTensorView view = packed_view(operands, packed, "packed", expected);
    if (view.dtype != expected.dtype || !(view.sizes == expected.sizes)) {
      refuse(std::string(kOp) + ": the packed weight is " + dtype_name(view.dtype) + " " + view.sizes.str() +
             ", but n, k and int4 say " + dtype_name(expected.dtype) + " " + expected.sizes.str());
    }
    const at::Tensor weight = operands.empty(expected);
    if constexpr (mode == Mode::kCpu) {
      const at::Tensor values = int4 ? operands.empty({DType::kI8, {n, k}}) : weight;
      const ConstTensorView bytes = operands.view(packed, "packed");
      PackedWeight::unpack(bytes_of(bytes), output_view(values), current_context());
      if (int4) pack_int4(output_view(values), output_view(weight));
    }
    return weight;
  });
}

// The op is the vendor's, and so are the rules and the messages.
template <Mode mode>
at::Tensor quant_matmul_packed(const at::Tensor& x1, const at::Tensor& packed, const at::Tensor& scale, int64_t n,
                               OptionalTensor offset, OptionalTensor pertoken_scale, OptionalTensor bias,
                               std::optional<int64_t> output_dtype) {
  constexpr const char* kOp = "npu_quant_matmul";
  if (n <= 0) refuse("quant_matmul_packed: n is " + std::to_string(n) + ", but must be positive");
  return with_operands(kOp, mode, [&](Operands& operands) {
    QuantMatmulArgs args;
    args.x1 = operands.view(x1, "x1", Free::kRows);
    const DType dtype = args.x1.dtype == DType::kI32 ? DType::kI32 : DType::kI8;
    const ConstTensorView weight = packed_view(operands, packed, "packed", {dtype, {n, last_size(args.x1)}});
    if (weight.sizes[0] != n) {
      refuse("quant_matmul_packed: n is " + std::to_string(n) +
             ", but the packed weight is (n, k) = " + weight.sizes.str());
    }
    args.x2 = weight.transposed();
    args.scale = operands.view(scale, "scale"), args.offset = operands.view(offset, "offset");
    args.pertoken_scale = operands.view(pertoken_scale, "pertoken_scale", Free::kAll, 1);
    args.bias = operands.view(bias, "bias", Free::kBatch);
    if (output_dtype) args.output_dtype = dtype_argument(kOp, "output_dtype", *output_dtype);
    const at::Tensor out = operands.empty(infer(args));
    if constexpr (mode == Mode::kCpu) a8w8::quant_matmul(args, output_view(out), current_context());
    return out;
  });
}

template <Mode mode>
void implement(torch::Library& m) {
  m.impl("pack_weight", pack_weight<mode>);
  m.impl("unpack_weight", unpack_weight<mode>);
  m.impl("quant_matmul_packed", quant_matmul_packed<mode>);
}

}  // namespace

ConstTensorView packed_view(Operands& operands, const at::Tensor& packed, const char* name,
                            const TensorDesc& expected) {
  const ConstTensorView bytes = operands.view(packed, name, Free::kAll);
  if (!is_packed(packed)) {
    refuse(std::string("packed weight: ") + name + " is " + dtype_name(bytes.dtype) + " " + bytes.sizes.str() +
           ", but must be uint8 with one dimension, as pack_weight makes it");
  }
  if (packed.is_meta()) {
    ConstTensorView view(nullptr, expected.dtype, expected.sizes);
    view.format = Format::kPacked;
    return view;
  }
  if (!bytes.is_contiguous()) refuse(std::string("packed weight: ") + name + " has gaps between its bytes");
  return PackedWeight::view_of(bytes_of(bytes));
}

ConstTensorView linear_weight(Operands& operands, const at::Tensor& weight, const ConstTensorView& x,
                              const ConstTensorView& scale) {
  if (!is_packed(weight)) return operands.view(weight, "weight");
  const int64_t n = scale.rank() == 0 ? 1 : scale.sizes[0];
  return packed_view(operands, weight, "weight", {DType::kI8, {n, last_size(x)}});
}

TORCH_LIBRARY_FRAGMENT(a8w8, m) {
  const auto define = [&](const char* schema) { m.def(schema, {at::Tag::pt2_compliant_tag}); };
  define("pack_weight(Tensor weight) -> Tensor");
  define("unpack_weight(Tensor packed, int n, int k, bool int4=False) -> Tensor");
  define(
      "quant_matmul_packed(Tensor x1, Tensor packed, Tensor scale, int n, Tensor? offset=None, "
      "Tensor? pertoken_scale=None, Tensor? bias=None, int? output_dtype=None) -> Tensor");
}

TORCH_LIBRARY_IMPL(a8w8, CPU, m) { implement<Mode::kCpu>(m); }
TORCH_LIBRARY_IMPL(a8w8, Meta, m) { implement<Mode::kMeta>(m); }

}  // namespace a8w8::torch_adapter
