#include "checkpoint/folder.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/str_cat.h"
#include "checkpoint/json_file.h"
#include "checkpoint/json_text.h"
#include "checkpoint/msmodelslim_format.h"
#include "checkpoint/names.h"

namespace a8w8::checkpoint {
namespace {

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + quote(name);
  return text;
}

std::map<std::string, std::string> read_index(const std::string& path) {
  const nlohmann::json json = read_json_object(path, kMaxJsonBytes);
  const auto map = json.find("weight_map");
  if (map == json.end() || !map->is_object()) throw Error(ErrorCode::kCorrupt, path + ": has no object \"weight_map\"");
  std::map<std::string, std::string> files;
  for (const auto& [tensor, value] : map->items()) {
    // A path could lead anywhere on the machine.
    if (!value.is_string() || !is_plain_file_name(value.get_ref<const std::string&>())) {
      throw Error(ErrorCode::kCorrupt,
                  str_cat(path, ": tensor ", quote(tensor), " is said to be in ",
                          printable(value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace), 80),
                          ", which is not a file name; must be the name of a file in the folder itself"));
    }
    files.emplace(tensor, value.get<std::string>());
  }
  return files;
}

// Whether there are files of the format's own name, perhaps beside those of the float model.
bool has_own_weights(const Folder& folder, const WeightNames& names) {
  return !names.prefix.empty() &&
         std::any_of(folder.entries.begin(), folder.entries.end(), [&](const std::string& name) {
           return name.starts_with(names.prefix) && name.ends_with(kWeightsSuffix);
         });
}

// In the order of their names: the files of the index, or else the one of the format's own name, or else all of the
// folder (but not of folders in it, where tools put rotations and debugging data).
std::vector<std::string> weight_files(const Folder& folder, const WeightNames& names, Findings& findings) {
  std::vector<std::string> files;
  const std::vector<std::string>& entries = folder.entries;
  if (folder.index.empty()) {
    if (std::binary_search(entries.begin(), entries.end(), names.weights)) return {std::string(names.weights)};
    const std::string_view prefix = has_own_weights(folder, names) ? names.prefix : "";
    const auto is_weights = [prefix](const std::string& name) {
      return name.ends_with(kWeightsSuffix) && name.starts_with(prefix);
    };
    std::copy_if(entries.begin(), entries.end(), std::back_inserter(files), is_weights);
    if (files.empty()) {
      findings.add({.found = "no *.safetensors in it",
                    .cause = "an incomplete download, or weights in another file format (*.bin)"},
                   ErrorCode::kNotFound);
    }
    return files;
  }
  for (const auto& [tensor, file] : folder.index) files.push_back(file);
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  const auto is_missing = [&](const std::string& file) {
    if (std::binary_search(entries.begin(), entries.end(), file)) return false;
    findings.add({.file = file,
                  .found = "is missing, but the index names it",
                  .expected = "in the folder",
                  .cause = "an incomplete download or copy"},
                 ErrorCode::kNotFound);
    return true;
  };
  std::vector<std::string> present;
  std::remove_copy_if(files.begin(), files.end(), std::back_inserter(present), is_missing);
  return present;
}

size_t count_files(const std::map<std::string, std::string>& index) {
  std::set<std::string> files;
  for (const auto& [tensor, file] : index) files.insert(file);
  return files.size();
}

bool add_file(Folder& folder, const std::string& name, Findings& findings) try {
  folder.files.push_back(SafetensorsFile::open(folder.path + "/" + name));
  for (const NamedTensor& tensor : folder.files.back().tensors()) {
    if (const std::string* first = folder.table.add(tensor, name)) {
      findings.add({.file = name,
                    .tensor = tensor.name,
                    .found = "is in both " + *first + " and " + name,
                    .expected = "in one file",
                    .cause = "files of two models, or of two runs of a tool, in one folder"});
    }
  }
  return true;
} catch (const Error& error) {
  findings.add_error(error, folder.path);
  return false;
}

void check_index(Folder& folder, const std::set<std::string>& readable, Findings& findings) {
  for (const auto& [tensor, file] : folder.index) {
    if (!readable.contains(file) || folder.table.file_of(tensor) == file) continue;
    if (folder.table.find(tensor) == nullptr) folder.table.add_absent(tensor);
    findings.add({.file = file,
                  .tensor = tensor,
                  .found = "is missing from " + file + ", where the index has it",
                  .expected = "there",
                  .cause = "an index of another version of the model"});
  }
  if (folder.index.empty()) return;
  int64_t left_out = 0;
  const CheckpointTensor* first = nullptr;
  for (const CheckpointTensor& tensor : folder.table.tensors()) {
    if (folder.index.contains(tensor.name)) continue;
    if (left_out++ == 0) first = &tensor;
  }
  if (left_out == 0) return;
  findings.warn(
      {.file = folder.table.file_of(first->name),
       .tensor = first->name,
       .found = str_cat("is not in the index", left_out > 1 ? str_cat(", nor are ", left_out - 1, " more") : ""),
       .expected = "there, with its file",
       .cause = "an index of another version of the model; the tensors are read all the same"});
}

}  // namespace

std::string choose_entry(const Folder& folder, const std::vector<std::string>& matching, std::string_view preferred) {
  if (std::find(matching.begin(), matching.end(), preferred) != matching.end()) return std::string(preferred);
  if (matching.size() > 1) {
    throw Error(ErrorCode::kCorrupt, str_cat(folder.path, ": several files could be meant: ", join(matching),
                                             "; rename the right one to ", preferred));
  }
  return matching.empty() ? "" : matching.front();
}

void read_weights(Folder& folder, const WeightNames& names, Findings& findings) {
  const std::string_view prefix = has_own_weights(folder, names) ? names.prefix : "";
  const auto is_index = [prefix](const std::string& name) {
    return name.ends_with(kIndexSuffix) && name.starts_with(prefix);
  };
  try {
    const std::string index = choose_entry(folder, is_index, names.index);
    if (!index.empty()) folder.index = read_index(folder.path + "/" + index);
  } catch (const Error& error) {
    findings.add_error(error, folder.path);
  }
  const std::vector<std::string> files = weight_files(folder, names, findings);
  std::set<std::string> readable;
  for (const std::string& file : files) {
    if (add_file(folder, file, findings)) readable.insert(file);
  }
  const bool all_files_known = !folder.index.empty() || !files.empty();
  const size_t expected = folder.index.empty() ? files.size() : count_files(folder.index);
  if (!all_files_known || readable.size() < expected) folder.table.set_unreadable_files();
  check_index(folder, readable, findings);
}

}  // namespace a8w8::checkpoint
