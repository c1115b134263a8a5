// Writing: the head of a file, the elements of views in order, and both into an AtomicFile.
#include "checkpoint/safetensors_writer.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "a8w8/checkpoint.h"
#include "a8w8/status.h"
#include "checkpoint/atomic_file.h"
#include "checkpoint/json_text.h"
#include "checkpoint/safetensors_header.h"

namespace a8w8 {
namespace ck = checkpoint;
namespace {

constexpr int64_t kGatherElements = 1 << 14;  // of one strided row, gathered at a time
constexpr int64_t kPieceBytes = int64_t{8} << 20;

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, path + ": " + what);
}

template <class Pairs>
void check_unique(const Pairs& pairs, const char* what, const std::string& path) {
  std::unordered_set<std::string_view> seen;
  for (const auto& [name, value] : pairs) {
    if (!seen.insert(name).second) refuse(path, std::string(what) + " " + ck::quote(name) + " is given twice");
  }
}

std::string metadata_json(const std::vector<std::pair<std::string, std::string>>& metadata) {
  std::string json;
  for (const auto& [key, text] : metadata)
    json += (json.empty() ? "" : ",") + ck::json_string(key) + ":" + ck::json_string(text);
  return "\"" + std::string(ck::kSafetensorsMetadataKey) + "\":{" + json + "}";
}

std::string shape_json(const Dims& sizes) {
  std::string json;
  for (const int64_t size : sizes) json += (json.empty() ? "" : ",") + std::to_string(size);
  return "[" + json + "]";
}

std::string entry_json(const ck::SafetensorsEntry& entry) {
  return ck::json_string(entry.name) + ":{\"dtype\":\"" + ck::safetensors_dtype(entry.dtype) +
         "\",\"shape\":" + shape_json(entry.sizes) + ",\"data_offsets\":[" + std::to_string(entry.begin) + "," +
         std::to_string(entry.end) + "]}";
}

template <size_t kBytes>
void gather_elements(std::byte* to, const std::byte* from, int64_t stride_bytes, int64_t count) {
  for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * int64_t{kBytes}, from + i * stride_bytes, kBytes);
}

void gather(std::byte* to, const std::byte* from, int64_t stride, int64_t count, size_t element_bytes) {
  const int64_t stride_bytes = stride * static_cast<int64_t>(element_bytes);
  switch (element_bytes) {
    case 1:
      return gather_elements<1>(to, from, stride_bytes, count);
    case 2:
      return gather_elements<2>(to, from, stride_bytes, count);
    case 4:
      return gather_elements<4>(to, from, stride_bytes, count);
    default:
      return gather_elements<8>(to, from, stride_bytes, count);
  }
}

// Row by row: an odometer runs over all dimensions but the last. The view is not empty and has a dimension.
template <class Put>
void for_each_row_piece(const ConstTensorView& view, const Put& put) {
  const int64_t element_bytes = static_cast<int64_t>(dtype_size(view.dtype));
  const int64_t row = view.sizes[-1], row_stride = view.strides[-1];
  std::vector<std::byte> buffer(static_cast<size_t>(std::min(row, kGatherElements) * element_bytes));
  int64_t index[kMaxRank] = {};
  int64_t offset = 0;  // of the row's first element, in elements
  for (int64_t rows = view.numel() / row; rows > 0; --rows) {
    for (int64_t i = 0; i < row; i += kGatherElements) {
      const int64_t count = std::min(row - i, kGatherElements);
      const std::byte* from = static_cast<const std::byte*>(view.data) + (offset + i * row_stride) * element_bytes;
      gather(buffer.data(), from, row_stride, count, static_cast<size_t>(element_bytes));
      put(buffer.data(), static_cast<size_t>(count * element_bytes));
    }
    for (int d = view.rank() - 2; d >= 0; --d) {
      offset += view.strides[d];
      if (++index[d] < view.sizes[d]) break;
      offset -= index[d] * view.strides[d];
      index[d] = 0;
    }
  }
}

}  // namespace

void ck::check_writable(const std::string& name, const Dims& sizes, DType dtype, const std::string& path) {
  const std::string where = "tensor " + ck::quote(name);
  if (name.empty()) refuse(path, "a tensor has an empty name");
  if (name == ck::kSafetensorsMetadataKey) refuse(path, where + ": the format reserves this name");
  if (ck::checked_bytes(sizes, dtype) < 0)
    refuse(path, where + ": sizes " + sizes.str() + " are negative or too large");
}

void ck::check_writable(const std::string& name, const ConstTensorView& view, const std::string& path) {
  const std::string where = "tensor " + ck::quote(name);
  if (!name.empty() && view.strides.rank() != view.rank()) {
    refuse(path, where + " has sizes " + view.sizes.str() + " but strides " + view.strides.str());
  }
  check_writable(name, view.sizes, view.dtype, path);
  if (view.data == nullptr && ck::checked_bytes(view.sizes, view.dtype) > 0) refuse(path, where + " has no data");
}

ck::SafetensorsLayout ck::lay_out_safetensors(std::vector<SafetensorsEntry> entries, const Metadata& metadata,
                                              const std::string& path) {
  std::string json = "{";
  if (!metadata.empty()) json += metadata_json(metadata);
  int64_t offset = 0;
  for (SafetensorsEntry& entry : entries) {
    entry.begin = offset;
    // Views may repeat their elements, so the sum is not bounded by memory.
    if (__builtin_add_overflow(offset, checked_bytes(entry.sizes, entry.dtype), &offset)) {
      refuse(path, "the tensors take more than 2^63 bytes");
    }
    entry.end = offset;
    json += (json.size() > 1 ? "," : "") + entry_json(entry);
  }
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');  // so that the data begins at a multiple of 8
  if (json.size() > size_t{ck::kMaxJsonBytes}) refuse(path, "the names and shapes need a header of more than 100 MB");
  std::string length;
  for (int i = 0; i < ck::kSafetensorsPrefixBytes; ++i) length += static_cast<char>(json.size() >> (8 * i));
  return {std::move(entries), length + json};
}

void ck::for_each_piece(const ConstTensorView& view, const std::function<void(const void*, size_t)>& put) {
  const int64_t bytes = checked_bytes(view.sizes, view.dtype);
  if (bytes == 0) return;
  if (!view.is_contiguous()) return for_each_row_piece(view, put);
  const std::byte* data = static_cast<const std::byte*>(view.data);
  for (int64_t begin = 0; begin < bytes; begin += kPieceBytes) {
    put(data + begin, static_cast<size_t>(std::min(kPieceBytes, bytes - begin)));
  }
}

void write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                       const std::vector<std::pair<std::string, std::string>>& metadata) {
  for (const NamedTensor& tensor : tensors) ck::check_writable(tensor.name, tensor.view, path);
  check_unique(tensors, "tensor", path);
  check_unique(metadata, "metadata key", path);
  std::vector<ck::SafetensorsEntry> entries;
  for (const NamedTensor& tensor : tensors) entries.push_back({tensor.name, tensor.view.dtype, tensor.view.sizes});
  const ck::SafetensorsLayout layout = ck::lay_out_safetensors(std::move(entries), metadata, path);

  ck::AtomicFile file(path);
  file.write(layout.head.data(), layout.head.size());
  for (const NamedTensor& tensor : tensors) {
    ck::for_each_piece(tensor.view, [&file](const void* data, size_t bytes) { file.write(data, bytes); });
  }
  file.commit();
}

}  // namespace a8w8
