// The header of a safetensors file, checked.
//
//   0          8              8 + h                                             file size
//   │ h as u64 │ JSON, h bytes │ data: the tensors end to end, row-major, little-endian │
//
//   {"__metadata__": {"key": "text"},                              optional
//    "fc1.weight": {"dtype": "I8", "shape": [256, 128], "data_offsets": [0, 32768]}, ...}
//
// data_offsets count from the start of the data. The format allows no gaps and no overlaps: the tensors cover the data
// exactly. Nothing demands that a tensor is aligned.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "a8w8/tensor_view.h"

namespace a8w8::checkpoint {

inline constexpr int64_t kSafetensorsPrefixBytes = 8;
inline constexpr const char* kSafetensorsMetadataKey = "__metadata__";

struct SafetensorsEntry {
  std::string name;
  DType dtype;
  Dims sizes;
  int64_t begin = 0;  // bytes from the start of the data
  int64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in the order of their bytes
  std::vector<std::pair<std::string, std::string>> metadata;
};

// Throws Error naming `path` and the tensor: kUnsupported for a dtype or a rank that the library lacks, kCorrupt for
// everything that breaks the format.
SafetensorsHeader parse_safetensors_header(std::string_view json, int64_t data_bytes, const std::string& path);

const char* safetensors_dtype(DType dtype);  // "I8", "BF16", ...

// Bytes of a row-major tensor, or -1 if a size is negative or the product does not fit into 64 bits. A zero does not
// excuse the other sizes: strides are computed from them.
int64_t checked_bytes(const Dims& sizes, DType dtype);

}  // namespace a8w8::checkpoint
