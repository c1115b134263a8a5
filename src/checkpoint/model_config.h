// What config.json says of the model, as far as weights are concerned.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "a8w8/dtype.h"
#include "checkpoint/findings.h"
#include "checkpoint/folder.h"

namespace a8w8::checkpoint {

inline constexpr const char* kConfigFile = "config.json";

struct ModelConfig {
  bool is_there = false;
  std::string dtype_name;      // "bfloat16", as it stands there; "" if absent
  std::optional<DType> dtype;  // the same, if it is a float dtype of ours
  std::vector<std::string> architectures;
  bool ties_embeddings = false;
  std::shared_ptr<const nlohmann::json> quantization;  // "quantization_config" or null
};

// A damaged file is a finding.
ModelConfig read_model_config(const Folder& folder, Findings& findings);

}  // namespace a8w8::checkpoint
