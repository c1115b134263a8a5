// The format belongs to the storage, as in torch_npu, so whatever shares a storage shares it: views, detach(), .data,
// Parameters, state_dict. It is kept in the context of the storage's DataPtr, found by its deleter.
//
// The bytes stay in logical order: every CPU operator goes on working on such a tensor, and no result depends on its
// format. What changes is the size of the storage, which is that of the zero-padded blocks; the bytes in block order
// are made by a8w8::to_fractal_nz where somebody wants to have them.
#include "storage_format.h"

#include <ATen/ops/clone_native.h>
#include <ATen/ops/empty.h>
#include <c10/core/CPUAllocator.h>
#include <torch/library.h>

#include <cstring>
#include <memory>

#include "a8w8/format.h"

namespace a8w8::torch_adapter {
namespace {

struct TaggedMemory {
  c10::DataPtr memory;
  StorageFormat format;
};

void delete_tagged(void* context) { delete static_cast<TaggedMemory*>(context); }

const TaggedMemory* tag_of(const at::Tensor& tensor) {
  if (!tensor.has_storage()) return nullptr;
  const c10::DataPtr& data = tensor.storage().unsafeGetStorageImpl()->data_ptr();
  return data.get_deleter() == delete_tagged ? static_cast<const TaggedMemory*>(data.get_context()) : nullptr;
}

// Elements of the blocks of a tensor with these sizes.
int64_t block_elements(at::IntArrayRef sizes, int64_t c0) {
  const ConstTensorView view(nullptr, DType::kI8, Dims(sizes.data(), static_cast<int64_t>(sizes.size())));
  return fractal_nz_desc(view, c0).sizes.numel();
}

size_t bytes_for(const at::Tensor& tensor, const StorageFormat& format) {
  const int64_t elements =
      format.format == kFormatFractalNz ? block_elements(blocked_sizes(tensor), format.c0) : tensor.numel();
  return static_cast<size_t>(elements) * tensor.itemsize();
}

// Zeroed from `used` on.
c10::DataPtr tagged_memory(size_t bytes, size_t used, const StorageFormat& format) {
  auto tagged = std::make_unique<TaggedMemory>(TaggedMemory{c10::GetCPUAllocator()->allocate(bytes), format});
  std::byte* const data = static_cast<std::byte*>(tagged->memory.get());
  if (bytes > used) std::memset(data + used, 0, bytes - used);
  return c10::DataPtr(data, tagged.release(), delete_tagged, at::Device(at::kCPU));
}

// Copies like aten::clone, whose kernel this is from now on: the copy of a tensor in FRACTAL_NZ is in FRACTAL_NZ.
at::Tensor clone(const at::Tensor& tensor, std::optional<at::MemoryFormat> memory_format) {
  const TaggedMemory* const tag = tag_of(tensor);
  const at::Tensor copy = at::native::clone(tensor, memory_format);
  if (tag != nullptr && tag->format.format == kFormatFractalNz && tensor.dim() >= 2) set_format(copy, tag->format);
  return copy;
}

}  // namespace

StorageFormat format_of(const at::Tensor& tensor) {
  if (const TaggedMemory* const tag = tag_of(tensor)) return tag->format;
  const int64_t rank = tensor.is_view() ? tensor._base().dim() : tensor.dim();
  return {rank == 4 ? kFormatNchw : rank == 5 ? kFormatNcdhw : kFormatNd};
}

at::IntArrayRef blocked_sizes(const at::Tensor& tensor) {
  return tensor.dim() < 2 && tensor.is_view() ? tensor._base().sizes() : tensor.sizes();
}

at::Tensor copy_with_format(const at::Tensor& tensor, const StorageFormat& format) {
  const at::Tensor dense = at::native::clone(tensor, at::MemoryFormat::Preserve);
  const size_t used = static_cast<size_t>(tensor.numel()) * tensor.itemsize();
  const size_t bytes = std::max(used, bytes_for(tensor, format));
  c10::DataPtr memory = tagged_memory(bytes, used, format);
  std::memcpy(memory.get(), dense.const_data_ptr(), used);
  dense.storage().unsafeGetStorageImpl()->set_data_ptr_noswap(std::move(memory));
  dense.storage().unsafeGetStorageImpl()->set_nbytes(bytes);
  return dense;
}

void set_format(const at::Tensor& tensor, const StorageFormat& format) {
  c10::StorageImpl* const storage = tensor.storage().unsafeGetStorageImpl();
  const size_t used = storage->nbytes();
  // What other tensors may look at stays: the storage only grows, but for the padding of blocks that it had before.
  const bool had_blocks = format_of(tensor).format == kFormatFractalNz;
  const size_t logical = static_cast<size_t>(tensor.numel()) * tensor.itemsize();
  const size_t keep =
      had_blocks && tensor.storage_offset() == 0 && tensor.is_non_overlapping_and_dense() ? logical : used;
  const size_t bytes = std::max(keep, bytes_for(tensor, format));
  c10::DataPtr memory = tagged_memory(bytes, keep, format);
  std::memcpy(memory.get(), storage->data(), keep);
  storage->set_data_ptr_noswap(std::move(memory));
  storage->set_nbytes(bytes);
}

TORCH_LIBRARY_IMPL(aten, CPU, m) { m.impl("clone", clone); }

}  // namespace a8w8::torch_adapter
