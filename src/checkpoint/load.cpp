// From a folder to a checkpoint: which format it is, and what the formats have in common.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/str_cat.h"
#include "checkpoint/file_util.h"
#include "checkpoint/json_text.h"
#include "checkpoint/loaded.h"
#include "checkpoint/msmodelslim_format.h"
#include "checkpoint/refused_types.h"

namespace a8w8::checkpoint {
namespace {

constexpr std::string_view kModelFile = "model.safetensors";
constexpr std::string_view kModelIndex = "model.safetensors.index.json";

std::string quant_method(const nlohmann::json& quantization) {
  if (!quantization.is_object()) return "";
  if (const auto it = quantization.find("quant_method"); it != quantization.end()) {
    return it->is_string() ? it->get<std::string>() : it->dump();
  }
  return quantization.contains("config_groups") ? "compressed-tensors" : "";
}

void refuse_method(const std::string& method, Findings& findings) {
  const Refusal refusal = refused_method(method);
  findings.add({.file = kConfigFile,
                .found = str_cat("has a quantization_config of quant_method ", quote(method), ": ", refusal.what,
                                 "; this is not supported"),
                .expected = "\"compressed-tensors\", or a folder with quant_model_description.json",
                .cause = "a model made for another runtime; needed: " + refusal.needed},
               ErrorCode::kUnsupported);
}

void read_formatless(Loaded& loaded, Findings& findings) {
  const std::string method = loaded.config.quantization ? quant_method(*loaded.config.quantization) : "";
  read_weights(loaded.folder, {.index = kModelIndex, .weights = kModelFile, .prefix = ""}, findings);
  if (!loaded.config.quantization) return load_float(loaded, findings);
  if (method != "compressed-tensors") return refuse_method(method, findings);
  loaded.format = CheckpointFormat::kCompressedTensors;
  load_compressed_tensors(loaded, findings);
}

std::string dtype_of_rest(const Loaded& loaded) {
  std::map<std::string, int64_t> bytes;
  for (const CheckpointTensor& tensor : loaded.folder.table.tensors()) {
    if (is_floating(tensor.view.dtype) && tensor.quant_type == kFloatType && tensor.view.rank() > 0) {
      bytes[dtype_name(tensor.view.dtype)] += byte_count(tensor.view);
    }
  }
  const auto most =
      std::max_element(bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == bytes.end() ? "" : most->first;
}

}  // namespace

std::string describe_scheme(const Loaded& loaded, const std::string& format) {
  std::vector<std::pair<std::string, int64_t>> types;  // in the order of their first layers
  for (const LayerRecord& layer : loaded.layers) {
    const CheckpointTensor* weight = loaded.folder.table.find(layer.name + ".weight");
    const auto it =
        std::find_if(types.begin(), types.end(), [&](const auto& type) { return type.first == weight->quant_type; });
    it == types.end() ? void(types.emplace_back(weight->quant_type, 1)) : void(++it->second);
  }
  std::string text;
  for (const auto& [type, count] : types) {
    text += str_cat(text.empty() ? "" : ", ", count, count == 1 ? " layer " : " layers ", type);
  }
  const std::string dtype = dtype_of_rest(loaded);
  if (text.empty()) return format + " without quantized layers" + (dtype.empty() ? "" : ", " + dtype);
  return format + ": " + text + (dtype.empty() ? "" : "; the rest is " + dtype);
}

void load_float(Loaded& loaded, Findings& findings) {
  TensorTable& table = loaded.folder.table;
  loaded.is_understood = true;
  for (size_t i = 0; i < table.tensors().size(); ++i) {
    const CheckpointTensor& tensor = table.tensors()[i];
    table.set_type(i, std::string(kFloatType));
    if (tensor.view.dtype != DType::kI8 || layer_of_weight(tensor.name).empty()) continue;
    findings.add(
        {.file = table.file_of(tensor.name),
         .tensor = tensor.name,
         .found = "is int8, but nothing says how it was quantized",
         .expected = "float, or described by quant_model_description.json or by config.json's quantization_config",
         .cause = "a quantized checkpoint whose description or original config.json was not copied along"});
  }
  loaded.scheme = describe_scheme(loaded, "float model");
}

Loaded load(const std::string& path, Findings& findings) {
  Loaded loaded;
  loaded.folder.path = path;
  loaded.folder.entries = folder_entries(path);
  loaded.config = read_model_config(loaded.folder, findings);
  loaded.scheme = "not understood";
  std::string description;
  try {
    description = choose_entry(loaded.folder, is_description_file, kDescriptionFile);
    if (description.empty() && !loaded.config.is_there) {
      throw Error(ErrorCode::kNotFound,
                  path + ": not a checkpoint: no quant_model_description*.json and no config.json in it");
    }
  } catch (const Error& error) {
    findings.add_error(error, path);
    return loaded;
  }
  if (description.empty()) {
    read_formatless(loaded, findings);
  } else {
    loaded.format = CheckpointFormat::kMsModelSlim;
    read_weights(loaded.folder, {.index = kIndexFile, .weights = "", .prefix = kWeightsStem}, findings);
    load_msmodelslim(loaded, description, findings);
  }
  for (size_t i = 0; i < loaded.layers.size(); ++i) loaded.layer_by_name.emplace(loaded.layers[i].name, i);
  return loaded;
}

}  // namespace a8w8::checkpoint
