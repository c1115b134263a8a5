#include "a8w8/packed_weight.h"

#include <cstring>
#include <new>

#include "a8w8/context.h"
#include "a8w8/status.h"
#include "base/str_cat.h"
#include "kernels/registry.h"
#include "matmul/packed_panels.h"
#include "ops/lower_matrices.h"
#include "ops/packed_operand.h"
#include "runtime/huge_pages.h"
#include "spec/rules.h"

namespace a8w8 {
namespace {

constexpr const char* kOp = "PackedWeight";

template <class... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  throw Error(ErrorCode::kInvalidArgument, str_cat(kOp, ": ", parts...));
}

struct Source {
  StoredWeight weight;
  GemmProblem problem;
};

// What can be packed, or an Error; its data is not asked for.
void check_source(const ConstTensorView& weight) {
  if (weight.dtype != DType::kI8 && weight.dtype != DType::kI32)
    refuse("weight is ", dtype_name(weight.dtype), ", but must be int8, or int32 with eight int4 a word");
  if (weight.rank() != 2 || weight.sizes[0] <= 0 || weight.sizes[1] <= 0) {
    refuse("weight has shape ", weight.sizes.str(), ", but must be ",
           weight.dtype == DType::kI8 ? "(n, k)" : "(n, k / 8)", " and not empty");
  }
  if (weight.format == Format::kPacked) refuse("weight is packed already");
}

PackedHeader header_for(const ConstTensorView& weight, const ExecutionContext& ctx) {
  const bool int4 = weight.dtype == DType::kI32;
  return packed_header(select_gemm(ctx.isas()), weight.sizes[0], weight.sizes[1] * (int4 ? kInt4PerWord : 1), int4);
}

// Checks the weight; the problem refers to it: they stay in one place.
PackedHeader lower_source(const ConstTensorView& weight, Source& source, const ExecutionContext& ctx) {
  check_source(weight);
  throw_if_error(check_readable(kOp, {{"weight", weight}}));
  const PackedHeader header = header_for(weight, ctx);
  source.weight = stored_weight(weight.transposed(), header.int4 != 0, header.int4 != 0);
  source.problem.n = header.n, source.problem.k = header.k;
  lower_weight(weight.transposed(), source.weight, source.problem);
  return header;
}

void write_packed(const Source& source, const PackedHeader& header, std::byte* to, ExecutionContext& ctx) {
  advise_huge_pages(to, header.bytes);
  std::memcpy(to, &header, sizeof header);
  pack_panels(source.problem, select_gemm(ctx.isas()), to + sizeof header, ctx);
}

}  // namespace

PackedWeight PackedWeight::pack(const ConstTensorView& weight, ExecutionContext& ctx) {
  Source source;
  const PackedHeader header = lower_source(weight, source, ctx);
  PackedWeight packed;
  if (header.bytes >= 2 * kHugePage) {  // large pages start at multiples of their size
    packed.bytes_ = {new (std::align_val_t{kHugePage}) std::byte[header.bytes],
                     [](std::byte* p) { ::operator delete[](p, std::align_val_t{kHugePage}); }};
  } else {
    packed.bytes_ = {new (std::align_val_t{64}) std::byte[header.bytes],
                     [](std::byte* p) { ::operator delete[](p, std::align_val_t{64}); }};
  }
  packed.size_ = header.bytes;
  write_packed(source, header, packed.bytes_.get(), ctx);
  return packed;
}

size_t PackedWeight::packed_bytes(const ConstTensorView& weight, const ExecutionContext& ctx) {
  check_source(weight);
  return header_for(weight, ctx).bytes;
}

void PackedWeight::pack_into(const ConstTensorView& weight, std::span<std::byte> to, ExecutionContext& ctx) {
  Source source;
  const PackedHeader header = lower_source(weight, source, ctx);
  if (to.size() < header.bytes)
    refuse("the memory to pack into has ", to.size(), " bytes, but must have ", header.bytes);
  if (reinterpret_cast<uintptr_t>(to.data()) % 64 != 0) refuse("the memory to pack into must be 64-byte aligned");
  write_packed(source, header, to.data(), ctx);
}

ConstTensorView PackedWeight::view_of(std::span<const std::byte> bytes) {
  const PackedHeader& h = *packed_operand(bytes.data(), bytes.size()).header;
  ConstTensorView view(bytes.data(), h.int4 ? DType::kI32 : DType::kI8, {h.n, h.int4 ? h.k / kInt4PerWord : h.k});
  view.format = Format::kPacked;
  return view;
}

int64_t PackedWeight::n() const { return packed_operand(bytes_.get(), size_).header->n; }
int64_t PackedWeight::k() const { return packed_operand(bytes_.get(), size_).header->k; }
const char* PackedWeight::kernel() const { return packed_operand(bytes_.get(), size_).header->kernel; }

void PackedWeight::unpack(std::span<const std::byte> bytes, const TensorView& out, ExecutionContext& ctx) {
  const PackedOperand packed = packed_operand(bytes.data(), bytes.size());
  const PackedHeader& h = *packed.header;
  throw_if_error(check_output(kOp, "out", out, {DType::kI8, {h.n, h.k}}));
  const GemmKernel& kernel = packed_kernel(packed, ctx.isas());
  unpack_panels(kernel, h.n, h.k, bytes.data() + sizeof h, static_cast<int8_t*>(out.data), ctx);
}

}  // namespace a8w8
