// Reading an msModelSlim folder: which files, which tensors of which type, and whether they fit together.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <unordered_map>

#include "a8w8/checkpoint.h"
#include "a8w8/status.h"
#include "base/str_cat.h"
#include "checkpoint/file_util.h"
#include "checkpoint/findings.h"
#include "checkpoint/json_text.h"
#include "checkpoint/mapped_file.h"
#include "checkpoint/msmodelslim_format.h"
#include "checkpoint/msmodelslim_layers.h"
#include "checkpoint/names.h"

namespace a8w8 {
namespace ck = checkpoint;

struct Checkpoint::Impl {
  std::string folder;
  std::vector<SafetensorsFile> files;  // keep the mappings alive
  std::vector<CheckpointTensor> tensors;
  std::unordered_map<std::string_view, size_t> by_name;  // keys point into `tensors`

  void load();
  const CheckpointTensor& get(const std::string& name) const;  // kNotFound if absent
};

namespace {

constexpr int kMaxDescriptionDepth = 16;  // the objects under "metadata" are free

using Json = nlohmann::json;
using WeightMap = std::map<std::string, std::string>;  // tensor -> file
using TypeMap = std::map<std::string, std::string>;    // tensor -> quantization type

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + ck::quote(name);
  return text;
}

Json read_json_object(const std::string& path) {
  const ck::MappedFile file(path);
  if (file.size() > ck::kMaxJsonBytes) {
    throw Error(ErrorCode::kCorrupt, str_cat(path, ": has ", file.size(), " bytes; allowed are ", ck::kMaxJsonBytes));
  }
  Json json = ck::parse_json(file.text(), path, kMaxDescriptionDepth);
  if (!json.is_object()) throw Error(ErrorCode::kCorrupt, path + ": holds no JSON object");
  return json;
}

// The preferred file among those that match, or the only one; "" if none does.
template <class Predicate>
std::string choose(const std::string& folder, const std::vector<std::string>& entries, Predicate matches,
                   std::string_view preferred) {
  std::vector<std::string> found;
  std::copy_if(entries.begin(), entries.end(), std::back_inserter(found), matches);
  if (std::find(found.begin(), found.end(), preferred) != found.end()) return std::string(preferred);
  if (found.size() > 1) {
    throw Error(ErrorCode::kCorrupt, str_cat(folder, ": several files could be meant: ", join(found),
                                             "; rename the right one to ", preferred));
  }
  return found.empty() ? "" : found.front();
}

TypeMap read_description(const std::string& folder, const std::vector<std::string>& entries) {
  const std::string name = choose(folder, entries, ck::is_description_file, ck::kDescriptionFile);
  if (name.empty()) {
    throw Error(ErrorCode::kNotFound,
                folder + ": not an msModelSlim checkpoint: no quant_model_description*.json in it");
  }
  const Json json = read_json_object(folder + "/" + name);
  TypeMap types;
  for (const auto& [key, value] : json.items()) {
    if (value.is_string() && !ck::is_model_key(key)) types.emplace(key, value.get<std::string>());
  }
  return types;
}

WeightMap read_index(const std::string& path) {
  const Json json = read_json_object(path);
  const auto map = json.find("weight_map");
  if (map == json.end() || !map->is_object()) throw Error(ErrorCode::kCorrupt, path + ": has no object \"weight_map\"");
  WeightMap files;
  for (const auto& [tensor, value] : map->items()) {
    // A path could lead anywhere on the machine.
    if (!value.is_string() || !ck::is_plain_file_name(value.get_ref<const std::string&>())) {
      throw Error(ErrorCode::kCorrupt,
                  str_cat(path, ": tensor ", ck::quote(tensor), " is said to be in ",
                          ck::printable(value.dump(-1, ' ', true), 80), ", which is not a file name"));
    }
    files.emplace(tensor, value.get<std::string>());
  }
  return files;
}

// Weight files in the order of their names: those of the index, or else all of the folder (but not of folders in it,
// where the tools put rotations and debugging data).
std::vector<std::string> weight_files(const std::string& folder, const std::vector<std::string>& entries,
                                      const WeightMap& index) {
  std::vector<std::string> files;
  if (index.empty()) {
    const auto is_weights = [](const std::string& name) { return name.ends_with(ck::kWeightsSuffix); };
    std::copy_if(entries.begin(), entries.end(), std::back_inserter(files), is_weights);
    if (files.empty()) throw Error(ErrorCode::kNotFound, folder + ": no *.safetensors in it");
    return files;
  }
  for (const auto& [tensor, file] : index) files.push_back(file);
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  std::vector<std::string> missing;
  std::set_difference(files.begin(), files.end(), entries.begin(), entries.end(), std::back_inserter(missing));
  if (!missing.empty())
    throw Error(ErrorCode::kNotFound, folder + ": files of the index are missing: " + join(missing));
  return files;
}

// The type of a tensor that the description leaves out: tools omit float ones, but an int8 one means nothing without
// it.
std::string type_of(const NamedTensor& tensor, const TypeMap& types, ck::Findings& findings) {
  const auto it = types.find(tensor.name);
  if (it != types.end()) return it->second;
  if (tensor.view.dtype == DType::kI8) {
    findings.add("tensor " + ck::quote(tensor.name) + " is int8, but the description has no type for it");
  }
  return std::string(ck::kFloatType);
}

// What the JSON files say the folder holds.
struct Contents {
  TypeMap types;
  WeightMap index;                 // empty if there is none
  std::vector<std::string> files;  // with weights
};

Contents read_contents(const std::string& folder) {
  const std::vector<std::string> entries = ck::folder_entries(folder);
  Contents contents;
  contents.types = read_description(folder, entries);
  const auto is_index = [](const std::string& name) { return name.ends_with(ck::kIndexSuffix); };
  const std::string index = choose(folder, entries, is_index, ck::kIndexFile);
  if (!index.empty()) contents.index = read_index(folder + "/" + index);
  contents.files = weight_files(folder, entries, contents.index);
  return contents;
}

using FileOf = std::unordered_map<std::string_view, std::string>;  // tensor -> the file that holds it

void check_against(const Contents& contents, const FileOf& file_of, ck::Findings& findings) {
  for (const auto& [tensor, file] : contents.index) {
    const auto it = file_of.find(tensor);
    if (it == file_of.end() || it->second != file) {
      findings.add(str_cat("tensor ", ck::quote(tensor), " is missing from ", file, ", where the index has it"));
    }
  }
  for (const auto& [tensor, type] : contents.types) {
    if (!file_of.contains(tensor)) {
      findings.add(str_cat("the description has tensor ", ck::quote(tensor), " (", type, "), but no file holds it"));
    }
  }
}

}  // namespace

void Checkpoint::Impl::load() {
  const Contents contents = read_contents(folder);
  ck::Findings findings;
  FileOf file_of;  // its keys point into the mapped files' names
  for (const std::string& name : contents.files) {
    files.push_back(SafetensorsFile::open(folder + "/" + name));
    for (const NamedTensor& tensor : files.back().tensors()) {
      const auto [first, is_new] = file_of.emplace(tensor.name, name);
      if (is_new) {
        tensors.push_back({tensor.name, type_of(tensor, contents.types, findings), tensor.view});
      } else {
        findings.add(str_cat("tensor ", ck::quote(tensor.name), " is in both ", first->second, " and ", name));
      }
    }
  }
  check_against(contents, file_of, findings);
  ck::check_quantized_layers(tensors, findings);
  throw_if_error(findings.status(folder));
  for (size_t i = 0; i < tensors.size(); ++i) by_name.emplace(tensors[i].name, i);
}

const CheckpointTensor& Checkpoint::Impl::get(const std::string& name) const {
  const auto it = by_name.find(name);
  if (it != by_name.end()) return tensors[it->second];
  std::vector<std::string_view> known;
  for (const CheckpointTensor& tensor : tensors) known.push_back(tensor.name);
  throw Error(ErrorCode::kNotFound, folder + ": no tensor " + ck::quote(name) + ck::near_names(name, known));
}

Checkpoint Checkpoint::open(const std::string& folder) {
  const auto impl = std::make_shared<Impl>();
  impl->folder = folder;
  impl->load();
  Checkpoint checkpoint;
  checkpoint.impl_ = impl;
  return checkpoint;
}

const std::string& Checkpoint::folder() const { return impl_->folder; }
const std::vector<CheckpointTensor>& Checkpoint::tensors() const { return impl_->tensors; }
bool Checkpoint::contains(const std::string& name) const { return impl_->by_name.contains(name); }
ConstTensorView Checkpoint::tensor(const std::string& name) const { return impl_->get(name).view; }
const std::string& Checkpoint::quant_type(const std::string& layer) const {
  return impl_->get(layer + ".weight").quant_type;
}

std::vector<std::string> Checkpoint::quantized_layers() const {
  std::vector<std::string> layers;
  for (const CheckpointTensor& tensor : impl_->tensors) {
    if (ck::is_quantized_weight(tensor)) layers.emplace_back(ck::layer_of_weight(tensor.name));
  }
  return layers;
}

}  // namespace a8w8
