// The quantization_config of a compressed-tensors checkpoint: which layers are quantized, and how.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/findings.h"
#include "checkpoint/layer_roles.h"
#include "checkpoint/name_patterns.h"

namespace a8w8::checkpoint {

struct ConfigGroup {
  std::string name;  // "group_0"
  NamePatterns targets;
  LayerKind kind = LayerKind::kCompressedDynamic;
  bool has_zero_point = false;  // static: the input is quantized asymmetrically
  std::string quant_type;       // "int8 static asymmetric"
};

struct CompressedConfig {
  std::vector<ConfigGroup> groups;
  NamePatterns ignore;
  bool quantizes_cache = false;
};

// Nothing, and findings, if a part of it cannot be computed here.
std::optional<CompressedConfig> parse_compressed_config(const nlohmann::json& config, Findings& findings);

}  // namespace a8w8::checkpoint
