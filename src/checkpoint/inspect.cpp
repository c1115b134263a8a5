#include "a8w8/inspect.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/str_cat.h"
#include "checkpoint/findings.h"
#include "checkpoint/int4_check.h"
#include "checkpoint/loaded.h"
#include "checkpoint/msmodelslim_format.h"

namespace a8w8 {
namespace ck = checkpoint;
namespace {

constexpr size_t kMaxType = 64;  // characters; a type is any text of a file

// Layers of a type with all their tensors, also those that the description calls FLOAT, such as a bias.
std::vector<CheckpointGroup> group_tensors(const ck::Loaded& loaded) {
  std::map<std::string, CheckpointGroup> groups;
  CheckpointGroup rest{.quant_type = std::string(ck::kFloatType)};
  std::set<std::string> float_modules;
  const ck::TensorTable& table = loaded.folder.table;
  const auto group_of = [&](const std::string& type) -> CheckpointGroup& {
    const std::string shown = type.substr(0, kMaxType);
    CheckpointGroup& group = groups[shown];
    group.quant_type = shown, group.is_quantized = true;
    return group;
  };
  for (const ck::LayerRecord& layer : loaded.layers) ++group_of(table.find(layer.name + ".weight")->quant_type).layers;
  for (const CheckpointTensor& tensor : table.tensors()) {
    const std::string module(ck::parent_name(tensor.name));
    const bool in_layer = loaded.layer_by_name.contains(module);
    const bool is_other = !in_layer && tensor.quant_type != ck::kFloatType && !tensor.quant_type.empty();
    const std::string& type = in_layer ? table.find(module + ".weight")->quant_type : tensor.quant_type;
    CheckpointGroup& group = in_layer || is_other ? group_of(type) : rest;
    ++group.tensors;
    group.bytes += ck::byte_count(tensor.view);
    if (!in_layer && !is_other) float_modules.insert(module);
  }
  rest.layers = static_cast<int64_t>(float_modules.size());
  std::vector<CheckpointGroup> result;
  for (const auto& [type, group] : groups) result.push_back(group);
  const auto larger = [](const CheckpointGroup& a, const CheckpointGroup& b) { return a.bytes > b.bytes; };
  std::stable_sort(result.begin(), result.end(), larger);
  if (rest.tensors > 0) result.push_back(rest);
  return result;
}

void warn_of_tied_head(const ck::Loaded& loaded, ck::Findings& findings) {
  if (!loaded.config.ties_embeddings || !loaded.layer_by_name.contains("lm_head")) return;
  findings.warn({.file = loaded.folder.table.file_of("lm_head.weight"),
                 .tensor = "lm_head.weight",
                 .found = "is quantized, but config.json ties it to the embedding (tie_word_embeddings)",
                 .expected = "absent, or untied",
                 .cause = "a tool that quantized one of two tied tensors; runtimes will use the float one for both"});
}

}  // namespace

bool CheckpointReport::ok() const {
  return std::all_of(findings.begin(), findings.end(), [](const Finding& finding) { return finding.is_warning; });
}

CheckpointReport inspect(const std::string& folder) {
  ck::Findings findings;
  const ck::Loaded loaded = ck::load(folder, findings);
  ck::check_int4_layers(loaded, findings);
  warn_of_tied_head(loaded, findings);
  CheckpointReport report;
  report.folder = folder;
  report.format =
      loaded.folder.table.tensors().empty() && !loaded.is_understood ? "unknown" : format_name(loaded.format);
  report.scheme = loaded.scheme;
  report.model_dtype = loaded.config.dtype_name;
  report.architectures = loaded.config.architectures;
  report.groups = group_tensors(loaded);
  report.files = static_cast<int64_t>(loaded.folder.files.size());
  for (const CheckpointTensor& tensor : loaded.folder.table.tensors()) {
    report.total_bytes += ck::byte_count(tensor.view);
    const std::string layer(ck::layer_of_weight(tensor.name));
    if (!layer.empty() && tensor.view.rank() == 2 && is_floating(tensor.view.dtype))
      report.float_layers.push_back(layer);
  }
  report.findings = findings.all();
  report.findings_omitted = static_cast<int64_t>(findings.omitted());
  return report;
}

std::string to_json(const CheckpointReport& report) {
  using Json = nlohmann::json;
  Json groups = Json::array(), findings = Json::array();
  for (const CheckpointGroup& group : report.groups) {
    groups.push_back({{"quant_type", group.quant_type},
                      {"is_quantized", group.is_quantized},
                      {"layers", group.layers},
                      {"tensors", group.tensors},
                      {"bytes", group.bytes}});
  }
  for (const Finding& finding : report.findings) {
    findings.push_back({{"file", finding.file},
                        {"tensor", finding.tensor},
                        {"found", finding.found},
                        {"expected", finding.expected},
                        {"cause", finding.cause},
                        {"is_warning", finding.is_warning}});
  }
  const Json json = {{"folder", report.folder},
                     {"format", report.format},
                     {"scheme", report.scheme},
                     {"model_dtype", report.model_dtype},
                     {"architectures", report.architectures},
                     {"groups", groups},
                     {"float_layers", report.float_layers},
                     {"files", report.files},
                     {"total_bytes", report.total_bytes},
                     {"ok", report.ok()},
                     {"findings", findings},
                     {"findings_omitted", report.findings_omitted}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace a8w8
