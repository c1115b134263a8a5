// The names of an msModelSlim checkpoint: files, quantization types, and the keys of its description.
#pragma once

#include <string>
#include <string_view>

#include "a8w8/checkpoint.h"

namespace a8w8::checkpoint {

// quant_model_description.json is one flat object: "<tensor name>": "<type>", and a few keys about the whole model.
// Tools of the first generation put a suffix into the file's name.
inline constexpr std::string_view kDescriptionStem = "quant_model_description";
inline constexpr std::string_view kDescriptionFile = "quant_model_description.json";
inline constexpr std::string_view kIndexFile = "quant_model_weights.safetensors.index.json";
inline constexpr std::string_view kIndexSuffix = ".safetensors.index.json";
inline constexpr std::string_view kWeightsSuffix = ".safetensors";

inline constexpr std::string_view kFloatType = "FLOAT";
inline constexpr std::string_view kStaticType = "W8A8";  // activations quantized by constants from a calibration
inline constexpr std::string_view kDynamicType = "W8A8_DYNAMIC";  // activations quantized row by row as they come

bool is_description_file(std::string_view name);
// A key of the description that speaks of the model or of an attention block, not of a tensor.
bool is_model_key(std::string_view key);
// "<layer>.weight" -> "<layer>", anything else -> "".
std::string_view layer_of_weight(std::string_view tensor_name);
// The weight of a W8A8 or W8A8_DYNAMIC linear. The tools give the norms in front of such layers the same type; those
// are one-dimensional and float.
bool is_quantized_weight(const CheckpointTensor& tensor);

}  // namespace a8w8::checkpoint
