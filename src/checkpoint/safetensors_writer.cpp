// Writing: header and tensors, streamed into an AtomicFile.
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

std::string header_json(const std::vector<NamedTensor>& tensors,
                        const std::vector<std::pair<std::string, std::string>>& metadata, const std::string& path) {
  std::string json = "{";
  if (!metadata.empty()) json += metadata_json(metadata);
  int64_t offset = 0;
  for (const NamedTensor& tensor : tensors) {
    int64_t end = 0;  // views may repeat their elements, so the sum is not bounded by memory
    if (__builtin_add_overflow(offset, ck::checked_bytes(tensor.view.sizes, tensor.view.dtype), &end)) {
      refuse(path, "the tensors take more than 2^63 bytes");
    }
    json += (json.size() > 1 ? "," : "") + ck::json_string(tensor.name) + ":{\"dtype\":\"" +
            ck::safetensors_dtype(tensor.view.dtype) + "\",\"shape\":" + shape_json(tensor.view.sizes) +
            ",\"data_offsets\":[" + std::to_string(offset) + "," + std::to_string(end) + "]}";
    offset = end;
  }
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');  // so that the data begins at a multiple of 8
  if (json.size() > size_t{ck::kMaxJsonBytes}) refuse(path, "the names and shapes need a header of more than 100 MB");
  return json;
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
void write_strided(ck::AtomicFile& file, const ConstTensorView& view) {
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
      file.write(buffer.data(), static_cast<size_t>(count * element_bytes));
    }
    for (int d = view.rank() - 2; d >= 0; --d) {
      offset += view.strides[d];
      if (++index[d] < view.sizes[d]) break;
      offset -= index[d] * view.strides[d];
      index[d] = 0;
    }
  }
}

void write_tensor(ck::AtomicFile& file, const ConstTensorView& view) {
  const int64_t bytes = ck::checked_bytes(view.sizes, view.dtype);
  if (bytes == 0) return;
  if (view.is_contiguous()) {
    file.write(view.data, static_cast<size_t>(bytes));
  } else {
    write_strided(file, view);
  }
}

}  // namespace

void ck::check_writable(const std::string& name, const ConstTensorView& view, const std::string& path) {
  const std::string where = "tensor " + ck::quote(name);
  if (name.empty()) refuse(path, "a tensor has an empty name");
  if (name == ck::kSafetensorsMetadataKey) refuse(path, where + ": the format reserves this name");
  if (view.strides.rank() != view.rank()) {
    refuse(path, where + " has sizes " + view.sizes.str() + " but strides " + view.strides.str());
  }
  const int64_t bytes = ck::checked_bytes(view.sizes, view.dtype);
  if (bytes < 0) refuse(path, where + ": sizes " + view.sizes.str() + " are negative or too large");
  if (bytes > 0 && view.data == nullptr) refuse(path, where + " has no data");
}

void write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                       const std::vector<std::pair<std::string, std::string>>& metadata) {
  for (const NamedTensor& tensor : tensors) ck::check_writable(tensor.name, tensor.view, path);
  check_unique(tensors, "tensor", path);
  check_unique(metadata, "metadata key", path);
  const std::string header = header_json(tensors, metadata, path);

  ck::AtomicFile file(path);
  std::byte length[ck::kSafetensorsPrefixBytes];
  for (int i = 0; i < ck::kSafetensorsPrefixBytes; ++i) length[i] = static_cast<std::byte>(header.size() >> (8 * i));
  file.write(length, sizeof(length));
  file.write(header.data(), header.size());
  for (const NamedTensor& tensor : tensors) write_tensor(file, tensor.view);
  file.commit();
}

}  // namespace a8w8
