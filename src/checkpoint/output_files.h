// What stands beside the weights in a folder that we write, and how the parts are called.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "a8w8/checkpoint.h"
#include "checkpoint/model_config.h"

namespace a8w8::checkpoint {

struct PlannedTensor {
  std::string name;
  std::string quant_type;  // "FLOAT", "W8A8", "W8A8_DYNAMIC", ...: msModelSlim's words, for both formats
  DType dtype;
  Dims sizes;
};

std::string part_name(CheckpointFormat format, size_t number, size_t count);
std::string_view index_name(CheckpointFormat format);
// {"metadata": {"total_size": ...}, "weight_map": {...}}; part_of[i] is the number of the part, from 0.
std::string index_json(CheckpointFormat format, const std::vector<PlannedTensor>& plan,
                       const std::vector<size_t>& part_of, size_t parts);
// quant_model_description.json
std::string description_json(const std::vector<PlannedTensor>& plan);

// config.json with a "quantization_config" as llm-compressor writes it. Layers of one scheme are the target "Linear",
// and every float layer that could be one is to be ignored; of several schemes each layer is named. `path` is for
// messages.
std::string add_quantization_config(const std::string& config, const std::vector<PlannedTensor>& plan,
                                    const std::string& path);
// config.json without "quantization_config", byte for byte the same if it has none.
std::string remove_quantization_config(const std::string& config, const std::string& path);

// Whether the file is a config.json of a compressed-tensors checkpoint; false for anything that cannot be read as one.
bool is_quantized_config(const std::string& path);

}  // namespace a8w8::checkpoint
