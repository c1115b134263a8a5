// The pieces of writing safetensors that single files and folders of parts share.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "a8w8/tensor_view.h"
#include "checkpoint/safetensors_header.h"

namespace a8w8::checkpoint {

using Metadata = std::vector<std::pair<std::string, std::string>>;

// Throws Error(kInvalidArgument), naming `path` and the tensor, for a name, sizes or a view that cannot go into a
// safetensors file.
void check_writable(const std::string& name, const Dims& sizes, DType dtype, const std::string& path);
void check_writable(const std::string& name, const ConstTensorView& view, const std::string& path);

// A file before it has data: where each tensor will lie, and everything that stands before the first of them.
struct SafetensorsLayout {
  std::vector<SafetensorsEntry> entries;  // in the order given; begin and end count from the start of the data
  std::string head;                       // the length and the JSON, padded so that the data begins at a multiple of 8

  int64_t data_bytes() const { return entries.empty() ? 0 : entries.back().end; }
  int64_t file_bytes() const { return static_cast<int64_t>(head.size()) + data_bytes(); }
};

// Only name, dtype and sizes of the entries are read; they have passed check_writable and are different from each
// other.
SafetensorsLayout lay_out_safetensors(std::vector<SafetensorsEntry> entries, const Metadata& metadata,
                                      const std::string& path);

// Hands the view's elements to `put(data, bytes)` in row-major order, in pieces of bounded size.
void for_each_piece(const ConstTensorView& view, const std::function<void(const void* data, size_t bytes)>& put);

}  // namespace a8w8::checkpoint
