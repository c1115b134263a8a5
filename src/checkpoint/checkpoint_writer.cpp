// Writing an msModelSlim folder as the tool's present version does: numbered parts, their index, the description.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <unordered_set>

#include "a8w8/checkpoint.h"
#include "a8w8/status.h"
#include "base/str_cat.h"
#include "checkpoint/atomic_file.h"
#include "checkpoint/atomic_folder.h"
#include "checkpoint/file_util.h"
#include "checkpoint/findings.h"
#include "checkpoint/json_text.h"
#include "checkpoint/msmodelslim_format.h"
#include "checkpoint/msmodelslim_layers.h"
#include "checkpoint/names.h"
#include "checkpoint/safetensors_header.h"
#include "checkpoint/safetensors_writer.h"

namespace a8w8 {
namespace ck = checkpoint;
namespace fs = std::filesystem;
namespace {

using Tensors = std::vector<CheckpointTensor>;
using Parts = std::vector<std::vector<NamedTensor>>;

[[noreturn]] void refuse(const std::string& folder, const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, folder + ": " + what);
}

void check_tensors(const Tensors& tensors, const std::string& folder) {
  std::unordered_set<std::string_view> seen;
  for (const CheckpointTensor& tensor : tensors) {
    ck::check_writable(tensor.name, tensor.view, folder);
    const std::string where = "tensor " + ck::quote(tensor.name);
    if (!seen.insert(tensor.name).second) refuse(folder, where + " is given twice");
    if (ck::is_model_key(tensor.name)) refuse(folder, where + ": the description reserves this name");
    if (tensor.quant_type.empty()) refuse(folder, where + " has an empty quant_type");
  }
  ck::Findings findings;
  ck::check_quantized_layers(tensors, findings);
  if (const Status status = findings.status(folder); !status.ok())
    throw Error(ErrorCode::kInvalidArgument, status.message);
}

void check_options(const CheckpointWriteOptions& options, const std::string& folder) {
  if (options.max_part_bytes < 1)
    refuse(folder, str_cat("max_part_bytes is ", options.max_part_bytes, ", not at least 1"));
  std::unordered_set<std::string_view> seen;
  for (const auto& [name, contents] : options.extra_files) {
    const std::string where = "extra file " + ck::quote(name);
    if (!ck::is_plain_file_name(name)) refuse(folder, where + " is not a plain file name");
    if (name.ends_with(ck::kWeightsSuffix) || name.ends_with(ck::kIndexSuffix) || ck::is_description_file(name)) {
      refuse(folder, where + " would be taken for a part of the checkpoint");
    }
    if (!seen.insert(name).second) refuse(folder, where + " is given twice");
  }
}

// The folder's true path, so that a link to a folder, "." or a trailing slash name the folder itself.
std::string resolved(const std::string& folder) {
  std::error_code error;
  fs::path path = fs::weakly_canonical(folder, error);
  if (error) ck::throw_write_error(folder, "resolve the path", error.value());
  if (!path.has_filename()) path = path.parent_path();
  if (!path.has_filename())
    throw Error(ErrorCode::kInvalidArgument, ck::quote(folder) + " does not name a folder to write");
  return path.string();
}

void check_replaceable(const std::string& folder) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(folder, error))) return;
  if (!fs::is_directory(folder, error)) refuse(folder, "exists and is not a folder");
  const std::vector<std::string> entries = ck::folder_entries(folder);
  if (!entries.empty() && std::none_of(entries.begin(), entries.end(), ck::is_description_file)) {
    refuse(folder,
           "exists and is not an msModelSlim checkpoint (it has files, but no quant_model_description*.json); "
           "it is not overwritten");
  }
}

// Filled in the given order, which keeps layers together. Within a part wide dtypes come first, which keeps every
// tensor aligned where it lies.
Parts split_into_parts(const Tensors& tensors, int64_t max_part_bytes) {
  Parts parts(1);
  int64_t room = max_part_bytes;
  for (const CheckpointTensor& tensor : tensors) {
    const int64_t bytes = ck::checked_bytes(tensor.view.sizes, tensor.view.dtype);
    if (bytes > room && !parts.back().empty()) {
      parts.emplace_back();
      room = max_part_bytes;
    }
    room -= std::min(bytes, room);
    parts.back().push_back({tensor.name, tensor.view});
  }
  for (std::vector<NamedTensor>& part : parts) {
    std::stable_sort(part.begin(), part.end(), [](const NamedTensor& a, const NamedTensor& b) {
      return dtype_size(a.view.dtype) > dtype_size(b.view.dtype);
    });
  }
  return parts;
}

std::string part_name(size_t number, size_t count) {
  char name[96];
  std::snprintf(name, sizeof(name), "quant_model_weights-%05zu-of-%05zu.safetensors", number, count);
  return name;
}

std::string json_line(const std::string& indent, const std::string& key, const std::string& value) {
  return indent + ck::json_string(key) + ": " + value;
}

std::string index_json(const Parts& parts) {
  int64_t total = 0;
  std::string map;
  for (size_t i = 0; i < parts.size(); ++i) {
    for (const NamedTensor& tensor : parts[i]) {
      total += ck::checked_bytes(tensor.view.sizes, tensor.view.dtype);
      map += (map.empty() ? "\n" : ",\n") +
             json_line("    ", tensor.name, ck::json_string(part_name(i + 1, parts.size())));
    }
  }
  return str_cat("{\n  \"metadata\": {\n    \"total_size\": ", total, "\n  },\n  \"weight_map\": {", map, "\n  }\n}\n");
}

// The one type that stands for the model: static before dynamic before others before FLOAT.
std::string model_type(const Tensors& tensors) {
  const auto rank = [](const CheckpointTensor& tensor) {
    if (tensor.quant_type == ck::kStaticType) return 0;
    if (tensor.quant_type == ck::kDynamicType) return 1;
    return tensor.quant_type == ck::kFloatType ? 3 : 2;
  };
  const auto best = std::min_element(tensors.begin(), tensors.end(),
                                     [rank](const auto& a, const auto& b) { return rank(a) < rank(b); });
  return best == tensors.end() ? std::string(ck::kFloatType) : best->quant_type;
}

std::string description_json(const Tensors& tensors) {
  std::string json = "{\n";
  for (const CheckpointTensor& tensor : tensors) {
    json += json_line("  ", tensor.name, ck::json_string(tensor.quant_type)) + ",\n";
  }
  return json + json_line("  ", "model_quant_type", ck::json_string(model_type(tensors))) + ",\n" +
         json_line("  ", "version", "\"1.0.0\"") + ",\n" + json_line("  ", "group_size", "0") + "\n}\n";
}

}  // namespace

void write_checkpoint(const std::string& folder, const Tensors& tensors, const CheckpointWriteOptions& options) {
  check_tensors(tensors, folder);
  check_options(options, folder);
  const std::string target = resolved(folder);
  check_replaceable(target);

  const Parts parts = split_into_parts(tensors, options.max_part_bytes);
  ck::AtomicFolder output(target);
  const auto path_of = [&output](std::string_view name) { return output.path() + "/" + std::string(name); };
  for (size_t i = 0; i < parts.size(); ++i) write_safetensors(path_of(part_name(i + 1, parts.size())), parts[i]);
  ck::write_file_atomically(path_of(ck::kIndexFile), index_json(parts));
  ck::write_file_atomically(path_of(ck::kDescriptionFile), description_json(tensors));
  for (const auto& [name, contents] : options.extra_files) ck::write_file_atomically(path_of(name), contents);
  check_replaceable(target);  // again: writing takes long, and others may have used the name meanwhile
  output.commit();
}

}  // namespace a8w8
