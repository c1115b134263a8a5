// Reading: the file is mapped, the header checked, and every tensor becomes a view into the mapping.
#include <cstring>
#include <string_view>
#include <unordered_map>

#include "a8w8/checkpoint.h"
#include "a8w8/status.h"
#include "checkpoint/json_text.h"
#include "checkpoint/mapped_file.h"
#include "checkpoint/names.h"
#include "checkpoint/safetensors_header.h"

namespace a8w8 {
namespace ck = checkpoint;

struct SafetensorsFile::Impl {
  std::string path;
  ck::MappedFile file;
  std::vector<NamedTensor> tensors;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::unordered_map<std::string_view, size_t> by_name;  // keys point into `tensors`
  std::vector<std::unique_ptr<std::byte[]>> copies;      // of tensors that are misaligned in the file

  explicit Impl(const std::string& file_path) : path(file_path), file(file_path) {}

  void load();
  const void* aligned(const std::byte* data, const ck::SafetensorsEntry& entry);
};

namespace {

// The length of the JSON header, checked against the file.
int64_t header_bytes(const ck::MappedFile& file, const std::string& path) {
  const auto corrupt = [&path](const std::string& what) { return Error(ErrorCode::kCorrupt, path + ": " + what); };
  if (file.size() < ck::kSafetensorsPrefixBytes) {
    throw corrupt("not a safetensors file: it has " + std::to_string(file.size()) +
                  " bytes, the header's length alone has 8");
  }
  uint64_t length = 0;
  for (int i = 0; i < ck::kSafetensorsPrefixBytes; ++i)
    length |= uint64_t{static_cast<uint8_t>(file.data()[i])} << (8 * i);
  if (length > uint64_t{ck::kMaxJsonBytes}) {
    throw corrupt("not a safetensors file: the header claims " + std::to_string(length) + " bytes; allowed are " +
                  std::to_string(ck::kMaxJsonBytes));
  }
  if (static_cast<int64_t>(length) > file.size() - ck::kSafetensorsPrefixBytes) {
    throw corrupt("the header claims " + std::to_string(length) + " bytes, but the file has only " +
                  std::to_string(file.size()) + " (is it cut short?)");
  }
  return static_cast<int64_t>(length);
}

}  // namespace

// The library reads wide types only where they are aligned. The usual writers pad the header to 8 bytes and put wide
// types first, so a copy is made for foreign files only, and only of the tensors concerned.
const void* SafetensorsFile::Impl::aligned(const std::byte* data, const ck::SafetensorsEntry& entry) {
  if (reinterpret_cast<uintptr_t>(data) % dtype_size(entry.dtype) == 0) return data;
  const size_t bytes = static_cast<size_t>(entry.end - entry.begin);
  copies.push_back(std::make_unique_for_overwrite<std::byte[]>(bytes));  // aligned for every fundamental type
  if (bytes > 0) std::memcpy(copies.back().get(), data, bytes);
  return copies.back().get();
}

void SafetensorsFile::Impl::load() {
  const int64_t header_size = header_bytes(file, path);
  const int64_t data_begin = ck::kSafetensorsPrefixBytes + header_size;
  const std::string_view json = file.text().substr(ck::kSafetensorsPrefixBytes, static_cast<size_t>(header_size));
  ck::SafetensorsHeader header = ck::parse_safetensors_header(json, file.size() - data_begin, path);
  metadata = std::move(header.metadata);
  tensors.reserve(header.entries.size());
  for (ck::SafetensorsEntry& entry : header.entries) {
    const void* data = aligned(file.data() + data_begin + entry.begin, entry);
    tensors.push_back({std::move(entry.name), ConstTensorView(data, entry.dtype, entry.sizes)});
  }
  for (size_t i = 0; i < tensors.size(); ++i) by_name.emplace(tensors[i].name, i);
}

SafetensorsFile SafetensorsFile::open(const std::string& path) {
  const auto impl = std::make_shared<Impl>(path);
  impl->load();
  SafetensorsFile file;
  file.impl_ = impl;
  return file;
}

const std::string& SafetensorsFile::path() const { return impl_->path; }
const std::vector<NamedTensor>& SafetensorsFile::tensors() const { return impl_->tensors; }
const std::vector<std::pair<std::string, std::string>>& SafetensorsFile::metadata() const { return impl_->metadata; }

const ConstTensorView* SafetensorsFile::find(const std::string& name) const {
  const auto it = impl_->by_name.find(name);
  return it == impl_->by_name.end() ? nullptr : &impl_->tensors[it->second].view;
}

ConstTensorView SafetensorsFile::tensor(const std::string& name) const {
  if (const ConstTensorView* view = find(name)) return *view;
  std::vector<std::string_view> known;
  for (const NamedTensor& tensor : impl_->tensors) known.push_back(tensor.name);
  throw Error(ErrorCode::kNotFound, path() + ": no tensor " + ck::quote(name) + ck::near_names(name, known));
}

}  // namespace a8w8
