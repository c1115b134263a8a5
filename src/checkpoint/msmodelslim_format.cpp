#include "checkpoint/msmodelslim_format.h"

#include <algorithm>
#include <array>

namespace a8w8::checkpoint {

bool is_description_file(std::string_view name) {
  return name.starts_with(kDescriptionStem) && name.ends_with(".json");
}

bool is_model_key(std::string_view key) {
  static constexpr std::array<std::string_view, 9> kKeys = {"model_quant_type",  "version",       "group_size",
                                                            "kv_cache_type",     "kv_quant_type", "fa_quant_type",
                                                            "reduce_quant_type", "metadata",      "optional"};
  return std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end() || key.ends_with(".quant_type");
}

std::optional<LayerKind> kind_of(std::string_view quant_type) {
  if (quant_type == kStaticType) return LayerKind::kStatic;
  if (quant_type == kDynamicType) return LayerKind::kDynamic;
  if (quant_type == kMixType) return LayerKind::kMix;
  if (quant_type == kInt4Type) return LayerKind::kInt4;
  return std::nullopt;
}

namespace {

bool is_weight(const CheckpointTensor& tensor) {
  const bool is_norm = tensor.view.rank() == 1 && is_floating(tensor.view.dtype);
  return !is_norm && !layer_of_weight(tensor.name).empty();
}

}  // namespace

bool is_quantized_weight(const CheckpointTensor& tensor) { return kind_of(tensor.quant_type) && is_weight(tensor); }

bool is_refused_weight(const CheckpointTensor& tensor) {
  return tensor.quant_type != kFloatType && tensor.quant_type != kNoType && !kind_of(tensor.quant_type) &&
         !is_cache_type(tensor.quant_type) && is_weight(tensor);
}

bool is_cache_type(std::string_view quant_type) {
  return quant_type == "C8" || quant_type.starts_with("FAQuant") || quant_type.starts_with("FAKQuant");
}

}  // namespace a8w8::checkpoint
