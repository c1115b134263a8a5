#include "checkpoint/model_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "checkpoint/json_file.h"

namespace a8w8::checkpoint {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxConfigBytes = 16'000'000;
constexpr size_t kMaxText = 100, kMaxArchitectures = 8;  // of what is only shown

std::string text_of(const Json& json, const char* key) {
  const auto it = json.find(key);
  return it != json.end() && it->is_string() ? it->get<std::string>().substr(0, kMaxText) : "";
}

// "dtype" since transformers 4.56, "torch_dtype" before; models of several parts have it in the text part only.
std::string dtype_text(const Json& json) {
  for (const char* key : {"dtype", "torch_dtype"}) {
    std::string text = text_of(json, key);
    if (text.starts_with("torch.")) text = text.substr(6);
    if (!text.empty()) return text;
  }
  const auto part = json.find("text_config");
  return part != json.end() && part->is_object() ? dtype_text(*part) : "";
}

std::optional<DType> dtype_of(const std::string& name) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    if (name == dtype_name(dtype)) return dtype;
  }
  return std::nullopt;
}

}  // namespace

ModelConfig read_model_config(const Folder& folder, Findings& findings) try {
  ModelConfig config;
  if (!std::binary_search(folder.entries.begin(), folder.entries.end(), kConfigFile)) return config;
  const Json json = read_json_object(folder.path + "/" + kConfigFile, kMaxConfigBytes);
  config.is_there = true;
  config.dtype_name = dtype_text(json);
  config.dtype = dtype_of(config.dtype_name);
  if (const auto it = json.find("architectures"); it != json.end() && it->is_array()) {
    for (const Json& name : *it) {
      if (!name.is_string() || config.architectures.size() == kMaxArchitectures) continue;
      config.architectures.push_back(name.get<std::string>().substr(0, kMaxText));
    }
  }
  const auto ties = json.find("tie_word_embeddings");
  config.ties_embeddings = ties != json.end() && ties->is_boolean() && ties->get<bool>();
  for (const char* key : {"quantization_config", "compression_config"}) {  // the second in the format's first versions
    const auto it = json.find(key);
    if (it != json.end() && !it->is_null() && !config.quantization) config.quantization = std::make_shared<Json>(*it);
  }
  return config;
} catch (const Error& error) {
  findings.add_error(error, folder.path);
  ModelConfig config;
  config.is_there = true;
  return config;
}

}  // namespace a8w8::checkpoint
