// The "quantization_config" of a compressed-tensors folder.
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "checkpoint/json_text.h"
#include "checkpoint/linear_names.h"
#include "checkpoint/mapped_file.h"
#include "checkpoint/msmodelslim_format.h"
#include "checkpoint/output_files.h"

namespace a8w8::checkpoint {
namespace {

using Json = nlohmann::json;

constexpr int kMaxConfigDepth = 64;
constexpr int64_t kMaxConfigBytes = int64_t{16} << 20;
constexpr const char* kKey = "quantization_config";
constexpr const char* kFormat = "int-quantized";
constexpr const char* kVersion = "0.19.0";  // of the library whose form this is

enum class Scheme { kDynamic, kStaticSymmetric, kStaticAsymmetric };

Json arguments(bool is_dynamic, bool is_symmetric, const char* strategy, const Json& observer) {
  return {{"actorder", nullptr},
          {"block_structure", nullptr},
          {"dynamic", is_dynamic},
          {"group_size", nullptr},
          {"num_bits", 8},
          {"observer", observer},
          {"observer_kwargs", Json::object()},
          {"scale_dtype", nullptr},
          {"strategy", strategy},
          {"symmetric", is_symmetric},
          {"type", "int"},
          {"zp_dtype", is_symmetric ? Json() : Json("torch.int8")}};
}

Json group(Scheme scheme, const Json& targets) {
  const bool is_dynamic = scheme == Scheme::kDynamic;
  const Json activations = is_dynamic ? arguments(true, true, "token", nullptr)
                                      : arguments(false, scheme == Scheme::kStaticSymmetric, "tensor", "minmax");
  return {{"format", kFormat},
          {"input_activations", activations},
          {"output_activations", nullptr},
          {"targets", targets},
          {"weights", arguments(false, true, "channel", "memoryless_minmax")}};
}

// Quantized layers by scheme, in the order of the plan.
std::map<Scheme, Json> layers_by_scheme(const std::vector<PlannedTensor>& plan) {
  std::set<std::string> names;
  for (const PlannedTensor& tensor : plan) names.insert(tensor.name);
  std::map<Scheme, Json> layers;
  for (const PlannedTensor& tensor : plan) {
    const std::string layer(layer_of_weight(tensor.name));
    if (layer.empty() || tensor.dtype != DType::kI8 || tensor.quant_type == kFloatType) continue;
    const bool is_asymmetric = names.contains(layer + ".input_zero_point");
    const Scheme scheme = tensor.quant_type == kDynamicType ? Scheme::kDynamic
                          : is_asymmetric                   ? Scheme::kStaticAsymmetric
                                                            : Scheme::kStaticSymmetric;
    layers[scheme].push_back(layer);
  }
  return layers;
}

// Float layers that a runtime could take for quantized ones.
Json ignored_layers(const std::vector<PlannedTensor>& plan) {
  Json ignored = Json::array();
  for (const PlannedTensor& tensor : plan) {
    const WeightKind kind = weight_kind(tensor.name, tensor.dtype, tensor.sizes);
    const bool is_linear = kind == WeightKind::kLinear || kind == WeightKind::kHead || kind == WeightKind::kRouter;
    if (is_linear) ignored.push_back(layer_of_weight(tensor.name));
  }
  return ignored;
}

Json parse_config(const std::string& config, const std::string& path) {
  Json json = parse_json(config, path, kMaxConfigDepth);
  if (!json.is_object()) throw Error(ErrorCode::kCorrupt, path + ": holds no JSON object");
  return json;
}

}  // namespace

std::string add_quantization_config(const std::string& config, const std::vector<PlannedTensor>& plan,
                                    const std::string& path) {
  const std::map<Scheme, Json> layers = layers_by_scheme(plan);
  Json groups = Json::object();
  for (const auto& [scheme, names] : layers) {
    groups["group_" + std::to_string(groups.size())] =
        group(scheme, layers.size() == 1 ? Json::array({"Linear"}) : names);
  }
  Json json = parse_config(config, path);
  json[kKey] = {{"config_groups", groups},
                {"format", kFormat},
                {"global_compression_ratio", nullptr},
                {"ignore", ignored_layers(plan)},
                {"kv_cache_scheme", nullptr},
                {"quant_method", "compressed-tensors"},
                {"quantization_status", "compressed"},
                {"sparsity_config", Json::object()},
                {"transform_config", Json::object()},
                {"version", kVersion}};
  return json.dump(2) + "\n";
}

std::string remove_quantization_config(const std::string& config, const std::string& path) {
  Json json = parse_config(config, path);
  if (json.erase(kKey) == 0) return config;
  return json.dump(2) + "\n";
}

bool is_quantized_config(const std::string& path) try {
  const MappedFile file(path);
  if (file.size() > kMaxConfigBytes) return false;
  const Json json = parse_config(std::string(file.text()), path);
  const auto quantization = json.find(kKey);
  return quantization != json.end() && quantization->is_object() &&
         quantization->value("quant_method", Json()) == "compressed-tensors";
} catch (const Error&) {
  return false;
}

}  // namespace a8w8::checkpoint
