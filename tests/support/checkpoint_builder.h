// Tensors with their storage, to build small checkpoints from.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "a8w8/checkpoint.h"

namespace a8w8::testing {

class CheckpointBuilder {
 public:
  // Adds a tensor, or replaces the one of that name. Values count; if there are fewer than elements, they repeat.
  template <class T>
  CheckpointBuilder& set(const std::string& name, const std::string& type, DType dtype, const Dims& sizes,
                         const std::vector<T>& values) {
    storage_.push_back(std::make_shared<std::vector<std::byte>>(static_cast<size_t>(sizes.numel()) * sizeof(T)));
    std::vector<std::byte>& bytes = *storage_.back();
    for (size_t i = 0; i < bytes.size() / sizeof(T); ++i) {
      std::memcpy(bytes.data() + i * sizeof(T), &values[i % values.size()], sizeof(T));
    }
    remove(name);
    tensors_.push_back({name, type, ConstTensorView(bytes.data(), dtype, sizes)});
    return *this;
  }
  CheckpointBuilder& f32(const std::string& name, const std::string& type, const Dims& sizes,
                         const std::vector<float>& values) {
    return set(name, type, DType::kF32, sizes, values);
  }
  CheckpointBuilder& i8(const std::string& name, const std::string& type, const Dims& sizes,
                        const std::vector<int8_t>& values) {
    return set(name, type, DType::kI8, sizes, values);
  }
  CheckpointBuilder& retype(const std::string& name, const std::string& type) {
    for (CheckpointTensor& tensor : tensors_) {
      if (tensor.name == name) tensor.quant_type = type;
    }
    return *this;
  }
  CheckpointBuilder& remove(const std::string& name) {
    std::erase_if(tensors_, [&name](const CheckpointTensor& tensor) { return tensor.name == name; });
    return *this;
  }

  // Complete layers with n = 3, k = 4.
  CheckpointBuilder& static_layer(const std::string& layer) {
    i8(layer + ".weight", "W8A8", {3, 4}, {1, -2, 3, 127, -128});
    f32(layer + ".deq_scale", "W8A8", {3}, {0.25f, 0.5f, 1e-5f});
    set<int32_t>(layer + ".quant_bias", "W8A8", DType::kI32, {3}, {7, -8, 9});
    f32(layer + ".input_scale", "W8A8", {1}, {0.01f});
    return f32(layer + ".input_offset", "W8A8", {1}, {-43});
  }
  CheckpointBuilder& dynamic_layer(const std::string& layer) {
    i8(layer + ".weight", "W8A8_DYNAMIC", {3, 4}, {5, 6, -7, 0, 1});
    f32(layer + ".weight_scale", "W8A8_DYNAMIC", {3, 1}, {0.25f, 0, 1e-5f});
    return f32(layer + ".weight_offset", "W8A8_DYNAMIC", {3, 1}, {0});
  }

  const std::vector<CheckpointTensor>& tensors() const { return tensors_; }

  std::vector<NamedTensor> named() const {
    std::vector<NamedTensor> result;
    for (const CheckpointTensor& tensor : tensors_) result.push_back({tensor.name, tensor.view});
    return result;
  }
  // The description, unless `skip` names the tensor, with `more` before the closing brace.
  std::string description(const std::string& more = "", const std::string& skip = "") const {
    std::string json;
    for (const CheckpointTensor& tensor : tensors_) {
      if (tensor.name != skip)
        json += (json.empty() ? "" : ",") + ("\"" + tensor.name + "\":\"" + tensor.quant_type + "\"");
    }
    return "{" + json + (json.empty() || more.empty() ? "" : ",") + more + "}";
  }

 private:
  std::vector<std::shared_ptr<std::vector<std::byte>>> storage_;  // shared, so that copies of the builder stay valid
  std::vector<CheckpointTensor> tensors_;
};

}  // namespace a8w8::testing
