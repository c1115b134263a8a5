// The tensors of a checkpoint by name, each with the file that holds it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "a8w8/checkpoint.h"

namespace a8w8::checkpoint {

class TensorTable {
 public:
  TensorTable() = default;
  explicit TensorTable(const std::vector<CheckpointTensor>& tensors);  // that no file holds yet

  // Null if the tensor was added, or else the file that has one of this name already.
  const std::string* add(const NamedTensor& tensor, const std::string& file);
  void set_type(size_t i, const std::string& quant_type) { tensors_[i].quant_type = quant_type; }

  const std::vector<CheckpointTensor>& tensors() const { return tensors_; }
  const CheckpointTensor* find(const std::string& name) const;  // null if absent
  const std::string& file_of(const std::string& name) const;    // "" if absent

  // A damaged file may hold any tensor, so nobody can say that one is missing, but for those whose file is known.
  void set_unreadable_files() { has_unreadable_files_ = true; }
  void add_absent(const std::string& name) { absent_.insert(name); }
  bool is_absent(const std::string& name) const { return absent_.contains(name); }  // which is reported already
  bool is_missing(const std::string& name) const {
    return find(name) == nullptr && (!has_unreadable_files_ || absent_.contains(name));
  }

 private:
  std::vector<CheckpointTensor> tensors_;
  std::vector<std::string> files_;
  std::vector<size_t> file_of_;  // into files_, for each tensor
  std::unordered_map<std::string, size_t> by_name_;
  std::unordered_set<std::string> absent_;
  bool has_unreadable_files_ = false;
};

// "<layer>.weight" -> "<layer>", anything else -> "".
std::string_view layer_of_weight(std::string_view tensor_name);
// "<layer>.<kind>" -> "<layer>", without a dot "".
std::string_view parent_name(std::string_view name);
int64_t byte_count(const ConstTensorView& view);

}  // namespace a8w8::checkpoint
