// The names of an msModelSlim checkpoint: files, quantization types, and the keys of its description.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "a8w8/checkpoint.h"
#include "checkpoint/layer_roles.h"
#include "checkpoint/tensor_table.h"

namespace a8w8::checkpoint {

// quant_model_description.json is one flat object: "<tensor name>": "<type>", and a few keys about the whole model.
// Tools of the first generation put a suffix into the file's name.
inline constexpr std::string_view kDescriptionStem = "quant_model_description";
inline constexpr std::string_view kDescriptionFile = "quant_model_description.json";
inline constexpr std::string_view kIndexFile = "quant_model_weights.safetensors.index.json";
inline constexpr std::string_view kIndexSuffix = ".safetensors.index.json";
inline constexpr std::string_view kWeightsStem = "quant_model_weight";  // of every tool and version
inline constexpr std::string_view kWeightsSuffix = ".safetensors";

inline constexpr std::string_view kFloatType = "FLOAT";
inline constexpr std::string_view kNoType = "no type";   // ours, for an int8 tensor that the description leaves out
inline constexpr std::string_view kStaticType = "W8A8";  // activations quantized by constants from a calibration
inline constexpr std::string_view kDynamicType = "W8A8_DYNAMIC";  // activations quantized row by row as they come

inline constexpr std::string_view kMixType = "W8A8_MIX";       // both of them, to choose from
inline constexpr std::string_view kInt4Type = "W4A8_DYNAMIC";  // W8A8_DYNAMIC with weights of int4

bool is_description_file(std::string_view name);
// A key of the description that speaks of the model or of an attention block, not of a tensor.
bool is_model_key(std::string_view key);
// The kind of layer that a type stands for, if it is one that can be computed.
std::optional<LayerKind> kind_of(std::string_view quant_type);
// The weight of a linear of such a type. The tools give the norms in front of such layers the same type; those are
// one-dimensional and float.
bool is_quantized_weight(const CheckpointTensor& tensor);
// One that is neither FLOAT nor computed here: its layer has to be refused.
bool is_refused_weight(const CheckpointTensor& tensor);
// Part of a quantized cache or of quantized attention, which are read over.
bool is_cache_type(std::string_view quant_type);

}  // namespace a8w8::checkpoint
