// The description of an msModelSlim folder: which tensor is of which type, and whether it agrees with the files.
#include <nlohmann/json.hpp>

#include "base/str_cat.h"
#include "checkpoint/json_file.h"
#include "checkpoint/json_text.h"
#include "checkpoint/loaded.h"
#include "checkpoint/msmodelslim_format.h"
#include "checkpoint/msmodelslim_layers.h"

namespace a8w8::checkpoint {
namespace {

using Json = nlohmann::json;
using TypeMap = std::map<std::string, std::string>;  // tensor -> quantization type

// Keys of the model: what is quantized besides linears is read over, but not in silence.
void warn_of_model_keys(const Json& description, const std::string& file, Findings& findings) {
  const auto text = [&](const char* key) {
    const auto it = description.find(key);
    return it != description.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  const auto is_quantized = [](const std::string& type) { return !type.empty() && type != kFloatType; };
  std::string parts;
  const auto add = [&](const std::string& part) { parts += (parts.empty() ? "" : " and ") + part; };
  for (const char* key : {"kv_cache_type", "kv_quant_type"}) {
    if (is_quantized(text(key)) && parts.empty()) add("a quantized cache of keys and values (" + text(key) + ")");
  }
  bool attention = is_quantized(text("fa_quant_type"));
  for (const auto& [key, value] : description.items()) attention |= key.ends_with(".quant_type");
  if (attention)
    add("quantized attention (" + (text("fa_quant_type").empty() ? "FAQuant" : text("fa_quant_type")) + ")");
  if (!parts.empty()) {
    findings.warn({.file = file,
                   .found = "asks for " + parts + ", which is ignored: that stays float here, which is more exact",
                   .cause = "a model made for an Ascend runtime that quantizes more than linear layers"});
  }
  if (const auto it = description.find("optional"); it != description.end() && it->is_object() && !it->empty()) {
    findings.warn({.file = file,
                   .found = "names optional files (" + quote(it->begin().key()) + "), which are not read",
                   .cause = "a model quantized with rotations (QuaRot), whose matrices are kept for other models"});
  }
}

TypeMap read_description(const Folder& folder, const std::string& name, Findings& findings) {
  const Json json = read_json_object(folder.path + "/" + name, kMaxJsonBytes);
  TypeMap types;
  for (const auto& [key, value] : json.items()) {
    if (is_model_key(key)) continue;
    if (value.is_string()) {
      types.emplace(key, value.get<std::string>());
    } else {
      findings.warn({.file = name,
                     .tensor = key,
                     .found = "has no type but " + std::string(value.type_name()),
                     .expected = "the name of a type; the key is ignored"});
    }
  }
  warn_of_model_keys(json, name, findings);
  return types;
}

void set_types(Loaded& loaded, const TypeMap& types, const std::string& description, Findings& findings) {
  TensorTable& table = loaded.folder.table;
  int64_t unnamed = 0;
  std::string first_unnamed;
  for (size_t i = 0; i < table.tensors().size(); ++i) {
    const CheckpointTensor& tensor = table.tensors()[i];
    const auto it = types.find(tensor.name);
    if (it == types.end() && tensor.view.dtype == DType::kI8) {
      findings.add({.file = table.file_of(tensor.name),
                    .tensor = tensor.name,
                    .found = "is int8, but the description has no type for it",
                    .expected = "named in " + description,
                    .cause = "a description of another version of the model, or one whose keys have other prefixes"});
    } else if (it == types.end() && unnamed++ == 0) {
      first_unnamed = tensor.name;
    }
    const std::string_view otherwise = tensor.view.dtype == DType::kI8 ? kNoType : kFloatType;
    table.set_type(i, it == types.end() ? std::string(otherwise) : it->second);
    if (is_cache_type(table.tensors()[i].quant_type)) loaded.unused.insert(tensor.name);
  }
  if (unnamed > 0) {
    findings.warn({.file = description,
                   .tensor = first_unnamed,
                   .found = unnamed == 1
                                ? "is not named in it, and is taken as FLOAT"
                                : str_cat("and ", unnamed - 1, " others are not named in it, and are taken as FLOAT"),
                   .cause = "a tool that leaves out float tensors; some runtimes ask for every name and fail"});
  }
}

// One of two tied tensors is stored, but some tools describe both.
bool may_be_tied(const Loaded& loaded, const std::string& tensor, const std::string& type) {
  return loaded.config.ties_embeddings && type == kFloatType &&
         (tensor.find("lm_head") != tensor.npos || tensor.find("embed") != tensor.npos);
}

void check_description(const Loaded& loaded, const TypeMap& types, const std::string& description, Findings& findings) {
  for (const auto& [tensor, type] : types) {
    const TensorTable& table = loaded.folder.table;
    if (!table.is_missing(tensor) || table.is_absent(tensor) || may_be_tied(loaded, tensor, type)) continue;
    findings.add({.file = description,
                  .tensor = tensor,
                  .found = "is described (" + type + "), but no file holds it",
                  .expected = "in one of the weight files",
                  .cause = "a missing file, or a description of another model"});
  }
}

}  // namespace

void load_msmodelslim(Loaded& loaded, const std::string& description, Findings& findings) {
  TypeMap types;
  try {
    types = read_description(loaded.folder, description, findings);
  } catch (const Error& error) {
    return findings.add_error(error, loaded.folder.path);
  }
  loaded.is_understood = true;
  set_types(loaded, types, description, findings);
  check_description(loaded, types, description, findings);
  check_quantized_layers(loaded.folder.table, findings);
  for (const CheckpointTensor& tensor : loaded.folder.table.tensors()) {
    if (is_quantized_weight(tensor) && tensor.view.dtype == DType::kI8 && tensor.view.rank() == 2) {
      loaded.layers.push_back({std::string(layer_of_weight(tensor.name)), *kind_of(tensor.quant_type)});
    }
  }
  if (loaded.config.quantization) {
    findings.warn({.file = kConfigFile,
                   .found = "has a quantization_config beside " + description + ", which is the one that counts",
                   .cause = "a config.json copied from another checkpoint"});
  }
  loaded.scheme = describe_scheme(loaded, "msModelSlim checkpoint");
}

}  // namespace a8w8::checkpoint
