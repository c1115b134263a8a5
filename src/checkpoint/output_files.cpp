#include "checkpoint/output_files.h"

#include <algorithm>
#include <cstdio>

#include "base/str_cat.h"
#include "checkpoint/json_text.h"
#include "checkpoint/msmodelslim_format.h"
#include "checkpoint/safetensors_header.h"

namespace a8w8::checkpoint {
namespace {

std::string json_line(const std::string& indent, const std::string& key, const std::string& value) {
  return indent + json_string(key) + ": " + value;
}

// The one type that stands for the model: static before dynamic before others before FLOAT.
std::string model_type(const std::vector<PlannedTensor>& plan) {
  const auto rank = [](const PlannedTensor& tensor) {
    if (tensor.quant_type == kStaticType) return 0;
    if (tensor.quant_type == kDynamicType) return 1;
    return tensor.quant_type == kFloatType ? 3 : 2;
  };
  const auto best =
      std::min_element(plan.begin(), plan.end(), [rank](const auto& a, const auto& b) { return rank(a) < rank(b); });
  return best == plan.end() ? std::string(kFloatType) : best->quant_type;
}

}  // namespace

std::string part_name(CheckpointFormat format, size_t number, size_t count) {
  const bool is_numbered = format == CheckpointFormat::kMsModelSlim || count > 1;
  if (!is_numbered) return "model.safetensors";
  const char* stem = format == CheckpointFormat::kMsModelSlim ? "quant_model_weights" : "model";
  char name[96];
  std::snprintf(name, sizeof(name), "%s-%05zu-of-%05zu.safetensors", stem, number, count);
  return name;
}

std::string_view index_name(CheckpointFormat format) {
  return format == CheckpointFormat::kMsModelSlim ? kIndexFile : "model.safetensors.index.json";
}

std::string index_json(CheckpointFormat format, const std::vector<PlannedTensor>& plan,
                       const std::vector<size_t>& part_of, size_t parts) {
  int64_t total = 0;
  std::string map;
  for (size_t i = 0; i < plan.size(); ++i) {
    total += checked_bytes(plan[i].sizes, plan[i].dtype);
    map += (map.empty() ? "\n" : ",\n") +
           json_line("    ", plan[i].name, json_string(part_name(format, part_of[i] + 1, parts)));
  }
  return str_cat("{\n  \"metadata\": {\n    \"total_size\": ", total, "\n  },\n  \"weight_map\": {", map, "\n  }\n}\n");
}

std::string description_json(const std::vector<PlannedTensor>& plan) {
  std::string json = "{\n";
  for (const PlannedTensor& tensor : plan) json += json_line("  ", tensor.name, json_string(tensor.quant_type)) + ",\n";
  return json + json_line("  ", "model_quant_type", json_string(model_type(plan))) + ",\n" +
         json_line("  ", "version", "\"1.0.0\"") + ",\n" + json_line("  ", "group_size", "0") + "\n}\n";
}

}  // namespace a8w8::checkpoint
