// How a CPU tensor remembers that it is in FRACTAL_NZ, or tagged with another format. Nothing else knows.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace a8w8::torch_adapter {

// The numbers of torch_npu.Format that matter here.
inline constexpr int64_t kFormatNchw = 0, kFormatNd = 2, kFormatFractalNz = 29, kFormatNcdhw = 30;

// Columns of a block of int32 that is declared to be int32, and of int4 words: 32 bytes.
inline constexpr int64_t kNzInt32C0 = 8;

struct StorageFormat {
  int64_t format = kFormatNd;
  int64_t c0 = 0;  // columns of a FRACTAL_NZ block; 0 for the other formats
  friend bool operator==(const StorageFormat& a, const StorageFormat& b) {
    return a.format == b.format && a.c0 == b.c0;
  }
};

// Of an untagged tensor: NCHW if it (or what it is a view of) has four dimensions, NCDHW if five, else ND.
StorageFormat format_of(const at::Tensor& tensor);

// A copy of the tensor that remembers `format`: same sizes, strides (contiguous if they have gaps), dtype and values.
// Its storage has the size of the blocks.
at::Tensor copy_with_format(const at::Tensor& tensor, const StorageFormat& format,
                            at::MemoryFormat memory_format = at::MemoryFormat::Preserve);
// The same in place: the storage, and so all tensors that share it, remember the format. Its memory stays where it is
// and as large as it is, for others may look at it: views, numpy arrays, a mapped file.
void set_format(const at::Tensor& tensor, const StorageFormat& format);

// What blocks are made of: the tensor, or if it has fewer than two dimensions, what it is a view of. Fewer than two
// dimensions have no blocks.
const at::TensorBase& blocked_tensor(const at::Tensor& tensor);

}  // namespace a8w8::torch_adapter
