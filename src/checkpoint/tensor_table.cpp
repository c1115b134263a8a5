#include "checkpoint/tensor_table.h"

namespace a8w8::checkpoint {

TensorTable::TensorTable(const std::vector<CheckpointTensor>& tensors) {
  for (const CheckpointTensor& tensor : tensors) {
    if (add({tensor.name, tensor.view}, "") == nullptr) tensors_.back().quant_type = tensor.quant_type;
  }
}

const std::string* TensorTable::add(const NamedTensor& tensor, const std::string& file) {
  const auto [place, is_new] = by_name_.emplace(tensor.name, tensors_.size());
  if (!is_new) return &files_[file_of_[place->second]];
  if (files_.empty() || files_.back() != file) files_.push_back(file);
  tensors_.push_back({tensor.name, "", tensor.view});
  file_of_.push_back(files_.size() - 1);
  return nullptr;
}

const CheckpointTensor* TensorTable::find(const std::string& name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &tensors_[it->second];
}

const std::string& TensorTable::file_of(const std::string& name) const {
  static const std::string kNone;
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? kNone : files_[file_of_[it->second]];
}

std::string_view layer_of_weight(std::string_view tensor_name) {
  constexpr std::string_view kSuffix = ".weight";
  if (!tensor_name.ends_with(kSuffix)) return "";
  return tensor_name.substr(0, tensor_name.size() - kSuffix.size());
}

std::string_view parent_name(std::string_view name) {
  const size_t dot = name.rfind('.');
  return dot == name.npos ? std::string_view() : name.substr(0, dot);
}

int64_t byte_count(const ConstTensorView& view) { return view.numel() * static_cast<int64_t>(dtype_size(view.dtype)); }

}  // namespace a8w8::checkpoint
