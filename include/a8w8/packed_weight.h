// A weight packed once for the kernel that will read it, and then used by any number of calls: a little faster than a
// weight as it is stored, most of all for 8 < m < 256.
//
//   const PackedWeight packed = PackedWeight::pack(ConstTensorView(w, DType::kI8, {n, k}), ctx);
//   QuantMatmulArgs args{.x1 = x, .x2 = packed.view().transposed(), .scale = s};     // in place of the plain weight
//   LinearA8W8Quant layer{.weight = packed.view(), .scale = s};
//
// The bytes are one piece: a header that tells kernel, n, k, version; then panels of columns (kernels/gemm_kernel.h).
// They are as large as the int8 weight but for padding, at most 64 columns, and mean something only to this version of
// the library on a CPU that has the kernel: keep the plain weight in files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "a8w8/tensor_view.h"

namespace a8w8 {

class ExecutionContext;

class PackedWeight {
 public:
  PackedWeight() = default;  // empty: only good for assigning to

  // weight: int8 (n, k) with any strides or in FRACTAL_NZ; or int32 (n, k / 8), words of eight int4 along k. It is
  // packed for the best kernel that `ctx` may use, and is not needed afterwards. Throws Error.
  static PackedWeight pack(const ConstTensorView& weight, ExecutionContext& ctx);

  // The same in memory of your own: 64-byte aligned, packed_bytes() of it, which sizes and dtype alone tell.
  static size_t packed_bytes(const ConstTensorView& weight, const ExecutionContext& ctx);
  static void pack_into(const ConstTensorView& weight, std::span<std::byte> to, ExecutionContext& ctx);

  // Bytes that pack_into filled, as an operand: sizes and dtype of the weight that was packed, Format::kPacked. The
  // bytes must outlive the view. Throws Error if they are not what they should be.
  static ConstTensorView view_of(std::span<const std::byte> bytes);
  ConstTensorView view() const { return view_of(bytes()); }

  std::span<const std::byte> bytes() const { return {bytes_.get(), size_}; }
  int64_t n() const;           // columns of the product
  int64_t k() const;           // in elements, also where they were int4
  const char* kernel() const;  // the name of the kernel that reads it
  // The weight again: int8 (n, k), contiguous, also where it was int4. Throws Error.
  void unpack(const TensorView& out, ExecutionContext& ctx) const { unpack(bytes(), out, ctx); }
  static void unpack(std::span<const std::byte> bytes, const TensorView& out, ExecutionContext& ctx);

 private:
  std::unique_ptr<std::byte[], void (*)(std::byte*)> bytes_{nullptr, nullptr};
  size_t size_ = 0;
};

}  // namespace a8w8
