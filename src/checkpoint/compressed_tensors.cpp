// Layers of a compressed-tensors folder: which group each is in, and whether its tensors are what the group needs.
//
//   <layer>.            dynamic          static           static asymmetric
//   weight              int8 (n, k); of int4 one value in a byte
//   weight_scale        a float, (n,), (n, 1) or one number
//   weight_zero_point   absent or zeros
//   input_scale         -                one float        one float
//   input_zero_point    -                absent or zero   one integer
//   bias                optional float, in all of them
#include <nlohmann/json.hpp>

#include "base/str_cat.h"
#include "checkpoint/compressed_tensors_config.h"
#include "checkpoint/fused_layers.h"
#include "checkpoint/loaded.h"
#include "checkpoint/msmodelslim_format.h"

namespace a8w8::checkpoint {
namespace {

constexpr DTypeSet kIntegers = DType::kI8 | DType::kI32 | DType::kI64;

constexpr Role kCommonRoles[] = {
    {"weight_scale", kFloats, true, Count::kRowOrOne, Values::kNotNegative},
    {"weight_zero_point", kNumbers, false, Count::kRowOrOne, Values::kZero},
    {"bias", kFloats, false, Count::kRow, Values::kAny},
};
constexpr Role kStaticRoles[] = {{"input_scale", kFloats, true, Count::kOne, Values::kPositive}};
constexpr Role kSymmetricRoles[] = {{"input_zero_point", kIntegers, false, Count::kOne, Values::kZero}};
constexpr Role kAsymmetricRoles[] = {{"input_zero_point", kNumbers, true, Count::kOne, Values::kInt8Range}};

const ConfigGroup* group_of(const CompressedConfig& config, const std::string& layer) {
  const ConfigGroup* best = nullptr;
  NameMatch best_match = NameMatch::kNone;
  for (const ConfigGroup& group : config.groups) {
    const NameMatch match = group.targets.match(layer);
    if (match > best_match) best = &group, best_match = match;
  }
  return best;
}

// Tensors beside a weight that say that it is compressed, whatever its dtype.
bool has_scale(const TensorTable& table, const std::string& layer) {
  return table.find(layer + ".weight_scale") != nullptr;
}

class Reader {
 public:
  Reader(Loaded& loaded, const CompressedConfig& config, Findings& findings)
      : loaded_(loaded), table_(loaded.folder.table), config_(config), findings_(findings) {}

  void read() {
    for (size_t i = 0; i < table_.tensors().size(); ++i) table_.set_type(i, std::string(kFloatType));
    for (size_t i = 0; i < table_.tensors().size(); ++i) {
      const CheckpointTensor& tensor = table_.tensors()[i];
      check_foreign(tensor);
      check_orphan(tensor);
      const std::string layer(layer_of_weight(tensor.name));
      if (layer.empty()) continue;
      if (tensor.view.dtype == DType::kI8 || has_scale(table_, layer)) read_layer(i, layer);
    }
    check_exact_targets();
  }

 private:
  void read_layer(size_t i, const std::string& layer) {
    const CheckpointTensor& weight = table_.tensors()[i];
    const bool ignored = config_.ignore.match(layer) > NameMatch::kClass;
    const ConfigGroup* group = ignored ? nullptr : group_of(config_, layer);
    if (group == nullptr) {
      return findings_.add(
          {.file = table_.file_of(weight.name),
           .tensor = weight.name,
           .found = std::string("is ") + dtype_name(weight.view.dtype) + " with a scale, but " +
                    (ignored ? "quantization_config ignores the layer" : "no config group names the layer"),
           .expected = "in one of the config_groups",
           .cause = "a config.json of another model, or of another recipe"});
    }
    table_.set_type(i, group->quant_type);
    set_types_of(layer, group->quant_type);
    if (!check_int8_matrix(table_, weight, group->quant_type, findings_)) return;
    const int64_t n = weight.view.sizes[0];
    const auto check = [&](std::span<const Role> roles) {
      check_roles(table_, layer, group->quant_type, n, roles, findings_);
    };
    check(kCommonRoles);
    if (group->kind == LayerKind::kCompressedStatic) {
      check(kStaticRoles);
      check(group->has_zero_point ? kAsymmetricRoles : kSymmetricRoles);
    }
    loaded_.layers.push_back({layer, group->kind});
  }

  void set_types_of(const std::string& layer, const std::string& type) {
    for (const char* role : {"weight_scale", "weight_zero_point", "input_scale", "input_zero_point"}) {
      if (const CheckpointTensor* tensor = table_.find(layer + "." + role)) {
        table_.set_type(static_cast<size_t>(tensor - table_.tensors().data()), type);
      }
    }
  }

  // Packed weights, and the scales of a quantized cache, have names of their own.
  void check_foreign(const CheckpointTensor& tensor) {
    const std::string_view name = tensor.name;
    if (name.ends_with(".weight_packed") || name.ends_with(".weight_g_idx")) {
      findings_.add(
          {.file = table_.file_of(tensor.name),
           .tensor = tensor.name,
           .found = "is a weight packed into int32 words or in an order of its own; this is not supported",
           .expected = "absent: an int-quantized layer has .weight, one value in a byte",
           .cause = "a model of format pack-quantized; needed: the float model compressed anew as int-quantized"},
          ErrorCode::kUnsupported);
    }
    for (const char* suffix : {".k_scale", ".v_scale", ".q_scale", ".k_zero_point", ".v_zero_point", ".q_zero_point"}) {
      if (name.ends_with(suffix) && config_.quantizes_cache) loaded_.unused.insert(tensor.name);
    }
  }

  // Without an index or a description a scale is all that tells of a weight that was lost.
  void check_orphan(const CheckpointTensor& tensor) {
    constexpr std::string_view kScale = ".weight_scale";
    if (!tensor.name.ends_with(kScale)) return;
    const std::string weight = tensor.name.substr(0, tensor.name.size() - kScale.size()) + ".weight";
    if (!table_.is_missing(weight) || table_.is_absent(weight) || table_.find(weight + "_packed") != nullptr) return;
    findings_.add({.file = table_.file_of(tensor.name),
                   .tensor = weight,
                   .found = "is missing, but its weight_scale is there",
                   .expected = "int8, beside its scale",
                   .cause = "a file of the model is missing, or a tensor was lost when files were split or merged"});
  }

  void check_exact_targets() {
    for (const ConfigGroup& group : config_.groups) {
      for (const std::string& name : group.targets.names()) {
        const CheckpointTensor* weight = table_.find(name + ".weight");
        if (weight == nullptr || weight->quant_type != kFloatType || config_.ignore.match(name) > NameMatch::kClass)
          continue;
        findings_.add({.file = table_.file_of(weight->name),
                       .tensor = weight->name,
                       .found = std::string("is ") + dtype_name(weight->view.dtype) +
                                " without a scale, but config group \"" + group.name + "\" names its layer",
                       .expected = "int8 with a weight_scale",
                       .cause = "a model that was calibrated but not compressed, or a config.json of another model"});
      }
    }
  }

  Loaded& loaded_;
  TensorTable& table_;
  const CompressedConfig& config_;
  Findings& findings_;
};

}  // namespace

void load_compressed_tensors(Loaded& loaded, Findings& findings) {
  const nlohmann::json& json = *loaded.config.quantization;
  const std::optional<CompressedConfig> config = parse_compressed_config(json, findings);
  if (!config) return;
  loaded.is_understood = true;
  Reader(loaded, *config, findings).read();
  check_fused_layers(loaded.folder.table, findings);
  if (config->quantizes_cache) {
    findings.warn({.file = kConfigFile,
                   .found =
                       "asks for a quantized cache of keys and values (kv_cache_scheme), which is ignored: it stays "
                       "float here, which is more exact",
                   .cause = "a recipe for a runtime that quantizes more than linear layers"});
  }
  if (loaded.layers.empty() && !loaded.folder.table.tensors().empty()) {
    findings.add({.file = kConfigFile,
                  .found = "has a quantization_config, but no layer of the files is quantized",
                  .expected = "beside int8 weights",
                  .cause = "a model saved before it was compressed, or the float model's files"});
  }
  loaded.scheme = describe_scheme(loaded, "compressed-tensors checkpoint");
}

}  // namespace a8w8::checkpoint
