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

std::string_view layer_of_weight(std::string_view tensor_name) {
  constexpr std::string_view kSuffix = ".weight";
  if (!tensor_name.ends_with(kSuffix)) return "";
  return tensor_name.substr(0, tensor_name.size() - kSuffix.size());
}

bool is_quantized_weight(const CheckpointTensor& tensor) {
  const bool is_norm = tensor.view.rank() == 1 && is_floating(tensor.view.dtype);
  return (tensor.quant_type == kStaticType || tensor.quant_type == kDynamicType) && !is_norm &&
         !layer_of_weight(tensor.name).empty();
}

}  // namespace a8w8::checkpoint
