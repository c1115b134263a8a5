// The format belongs to the storage, as in torch_npu, so whatever shares a storage shares it: views, detach(), .data,
// Parameters, state_dict. It is kept in the context of the storage's DataPtr, found by its deleter.
//
// The bytes stay in logical order: every CPU operator goes on working on such a tensor, and no result depends on its
// format. The storage of a copy has the size of the zero-padded blocks; a cast in place only wraps the DataPtr. The
// bytes in block order are made by a8w8::to_fractal_nz where somebody wants to have them.
#include "storage_format.h"

#include <ATen/ops/clone_native.h>
#include <c10/core/CPUAllocator.h>
#include <torch/library.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "a8w8/format.h"

namespace a8w8::torch_adapter {
namespace {

struct TaggedMemory {
  c10::DataPtr memory;
  StorageFormat format;
};

void delete_tagged(void* context) { delete static_cast<TaggedMemory*>(context); }

TaggedMemory* tag_of(const at::Tensor& tensor) {
  if (!tensor.has_storage()) return nullptr;
  const c10::DataPtr& data = tensor.storage().unsafeGetStorageImpl()->data_ptr();
  return data.get_deleter() == delete_tagged ? static_cast<TaggedMemory*>(data.get_context()) : nullptr;
}

size_t bytes_for(const at::Tensor& tensor, const StorageFormat& format) {
  int64_t elements = tensor.numel();
  if (format.format == kFormatFractalNz) {
    const at::IntArrayRef sizes = blocked_tensor(tensor).sizes();
    const ConstTensorView view(nullptr, DType::kI8, Dims(sizes.data(), static_cast<int64_t>(sizes.size())));
    elements = fractal_nz_desc(view, format.c0).sizes.numel();
  }
  return static_cast<size_t>(elements) * tensor.itemsize();
}

c10::DataPtr tag(c10::DataPtr memory, const StorageFormat& format) {
  void* const data = memory.get();
  const at::Device device = memory.device();
  return c10::DataPtr(data, new TaggedMemory{std::move(memory), format}, delete_tagged, device);
}

// Copies like aten::clone, whose kernel this is from now on: the copy of a tensor in FRACTAL_NZ is in FRACTAL_NZ.
at::Tensor clone(const at::Tensor& tensor, std::optional<at::MemoryFormat> memory_format) {
  const TaggedMemory* const tag = tag_of(tensor);
  if (tag == nullptr || tag->format.format != kFormatFractalNz || tensor.dim() < 2)
    return at::native::clone(tensor, memory_format);
  return copy_with_format(tensor, tag->format, memory_format.value_or(at::MemoryFormat::Preserve));
}

}  // namespace

StorageFormat format_of(const at::Tensor& tensor) {
  if (const TaggedMemory* const tag = tag_of(tensor)) return tag->format;
  const int64_t rank = tensor.is_view() ? tensor._base().dim() : tensor.dim();
  return {rank == 4 ? kFormatNchw : rank == 5 ? kFormatNcdhw : kFormatNd};
}

const at::TensorBase& blocked_tensor(const at::Tensor& tensor) {
  return tensor.dim() < 2 && tensor.is_view() ? tensor._base() : static_cast<const at::TensorBase&>(tensor);
}

at::Tensor copy_with_format(const at::Tensor& tensor, const StorageFormat& format, at::MemoryFormat memory_format) {
  const at::Tensor copy = at::native::clone(tensor, memory_format);  // dense, in memory that nobody else knows
  const size_t used = static_cast<size_t>(tensor.numel()) * tensor.itemsize();
  const size_t bytes = std::max(used, bytes_for(tensor, format));
  c10::DataPtr memory = c10::GetCPUAllocator()->allocate(bytes);
  if (bytes > 0) std::memset(static_cast<std::byte*>(memory.get()) + used, 0, bytes - used);
  if (used > 0) std::memcpy(memory.get(), copy.const_data_ptr(), used);
  c10::StorageImpl* const storage = copy.storage().unsafeGetStorageImpl();
  storage->set_data_ptr_noswap(tag(std::move(memory), format));
  storage->set_nbytes(bytes);
  return copy;
}

void set_format(const at::Tensor& tensor, const StorageFormat& format) {
  c10::StorageImpl* const storage = tensor.storage().unsafeGetStorageImpl();
  if (TaggedMemory* const tagged = tag_of(tensor)) {
    tagged->format = format;
  } else {
    storage->set_data_ptr_noswap(tag(std::move(storage->_mutable_data_ptr_no_checks()), format));
  }
}

TORCH_LIBRARY_IMPL(aten, CPU, m) { m.impl("clone", clone); }

}  // namespace a8w8::torch_adapter
