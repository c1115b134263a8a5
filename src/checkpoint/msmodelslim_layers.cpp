#include "checkpoint/msmodelslim_layers.h"

#include <algorithm>
#include <array>
#include <map>
#include <span>

#include "base/str_cat.h"
#include "checkpoint/fused_layers.h"
#include "checkpoint/layer_roles.h"
#include "checkpoint/msmodelslim_format.h"
#include "checkpoint/refused_types.h"

namespace a8w8::checkpoint {
namespace {

// weight_scale may be 0: that is the scale of a row of zeros.
constexpr Role kStaticRoles[] = {
    {"deq_scale", DType::kF32 | DType::kI64, true, Count::kRow, Values::kPositive},
    {"quant_bias", DType::kI32, true, Count::kRow, Values::kAny},
    {"input_scale", kFloats, true, Count::kOne, Values::kPositive},
    {"input_offset", kNumbers, true, Count::kOne, Values::kInt8Range},
};
constexpr Role kDynamicRoles[] = {{"weight_scale", kFloats, true, Count::kRowOrOne, Values::kNotNegative}};
constexpr Role kOptionalRoles[] = {
    {"weight_offset", kNumbers, false, Count::kRowOrOne, Values::kZero},
    {"bias", kFloats, false, Count::kRow, Values::kAny},
};
constexpr Role kOptionalStaticRoles[] = {{"weight_scale", kFloats, false, Count::kRowOrOne, Values::kNotNegative}};

// Tensors of variants that share a type's name with what is computed here.
constexpr std::array<std::string_view, 2> kSecondStage = {"weight_scale_second", "weight_offset_second"};

void check_int4_weight(const TensorTable& table, const CheckpointTensor& weight, const std::string& layer,
                       Findings& findings) {
  for (const std::string_view part : kSecondStage) {
    const std::string name = layer + "." + std::string(part);
    if (table.find(name) == nullptr) continue;
    return findings.add(
        {.file = table.file_of(name),
         .tensor = name,
         .found = "belongs to two-stage W4A8_DYNAMIC, with scales for groups of k",
         .expected = "absent",
         .cause = "a model quantized with group_size > 0; needed: the float model quantized anew, per channel"},
        ErrorCode::kUnsupported);
  }
  const CheckpointTensor* scale = table.find(layer + ".weight_scale");
  if (scale == nullptr || int4_rows(table, layer) > 0) return;  // its absence is reported with the roles
  findings.add({.file = table.file_of(weight.name),
                .tensor = weight.name,
                .found = str_cat("has shape ", weight.view.sizes.str(), " beside a weight_scale of shape ",
                                 scale->view.sizes.str()),
                .expected = "half as many rows (two int4 in a byte) or as many (one int4 in a byte)",
                .cause = "int4 packed along another dimension, or scales for groups of k, which are not supported"});
}

void check_layer(const TensorTable& table, const CheckpointTensor& weight, Findings& findings) {
  const std::string layer(layer_of_weight(weight.name)), &type = weight.quant_type;
  if (!check_int8_matrix(table, weight, type, findings)) return;
  const LayerKind kind = *kind_of(type);
  int64_t n = weight.view.sizes[0];
  if (kind == LayerKind::kInt4) {
    check_int4_weight(table, weight, layer, findings);
    if (const int64_t rows = int4_rows(table, layer); rows > 0) n = rows;
  }
  const auto check = [&](std::span<const Role> roles) { check_roles(table, layer, type, n, roles, findings); };
  if (kind == LayerKind::kStatic || kind == LayerKind::kMix) check(kStaticRoles);
  check(kind == LayerKind::kStatic ? std::span<const Role>(kOptionalStaticRoles) : kDynamicRoles);
  check(kOptionalRoles);
}

// Rotations and scalings of the activations at run time. Without them a model's numbers would be silently wrong.
bool transforms_activations(std::string_view name) {
  static constexpr std::array<std::string_view, 7> kSuffixes = {
      "heads_rotation", "kronecker_rotation_m", "kronecker_rotation_n", "left_trans",
      "right_trans",    "clip_ratio",           "div.mul_scale"};
  return std::any_of(kSuffixes.begin(), kSuffixes.end(), [name](std::string_view suffix) {
    return name == suffix || (name.ends_with(suffix) && name[name.size() - suffix.size() - 1] == '.');
  });
}

// One finding a type, however many layers are of it.
void refuse_types(const TensorTable& table, Findings& findings) {
  struct Seen {
    std::string tensor;
    int64_t count = 0;
  };
  std::map<std::string, Seen> types;
  for (const CheckpointTensor& tensor : table.tensors()) {
    if (!is_refused_weight(tensor)) continue;
    Seen& seen = types[tensor.quant_type];
    if (seen.count++ == 0) seen.tensor = tensor.name;
  }
  for (const auto& [type, seen] : types) {
    const Refusal refusal = refused_type(type);
    const std::string others = seen.count == 1 ? "" : str_cat(", as are ", seen.count - 1, " other weights");
    findings.add({.file = table.file_of(seen.tensor),
                  .tensor = seen.tensor,
                  .found = str_cat("is of type ", type, others, ": ", refusal.what, "; this is not supported"),
                  .expected = "FLOAT, W8A8, W8A8_DYNAMIC, W8A8_MIX or W4A8_DYNAMIC",
                  .cause = "a model made for other hardware or another runtime; needed: " + refusal.needed},
                 ErrorCode::kUnsupported);
  }
}

}  // namespace

int64_t int4_rows(const TensorTable& table, const std::string& layer) {
  const CheckpointTensor* weight = table.find(layer + ".weight");
  const CheckpointTensor* scale = table.find(layer + ".weight_scale");
  if (weight == nullptr || scale == nullptr || weight->view.rank() != 2) return 0;
  const int64_t stored = weight->view.sizes[0], n = scale->view.numel();
  return stored > 0 && (n == stored || n == 2 * stored) ? n : 0;
}

void check_quantized_layers(const TensorTable& table, Findings& findings) {
  bool any_quantized = false;
  for (const CheckpointTensor& tensor : table.tensors()) {
    if (is_quantized_weight(tensor)) {
      any_quantized = true;
      check_layer(table, tensor, findings);
    } else if (tensor.view.dtype == DType::kI8 && tensor.quant_type == kFloatType &&
               !layer_of_weight(tensor.name).empty()) {
      findings.add({.file = table.file_of(tensor.name),
                    .tensor = tensor.name,
                    .found = "is int8, but the description calls it FLOAT",
                    .expected = "of a quantized type, or float",
                    .cause = "a description of another model, or of another version of it"});
    }
  }
  refuse_types(table, findings);
  for (const CheckpointTensor& tensor : table.tensors()) {
    if (!any_quantized || !transforms_activations(tensor.name)) continue;
    findings.add(
        {.file = table.file_of(tensor.name),
         .tensor = tensor.name,
         .found = "transforms activations at run time, which is not supported",
         .expected = "absent",
         .cause = "quantization with rotations, FlatQuant or unfused smoothing; needed: the float model quantized "
                  "anew without them"},
        ErrorCode::kUnsupported);
  }
  check_fused_layers(table, findings);
}

void check_quantized_layers(const std::vector<CheckpointTensor>& tensors, Findings& findings) {
  check_quantized_layers(TensorTable(tensors), findings);
}

}  // namespace a8w8::checkpoint
