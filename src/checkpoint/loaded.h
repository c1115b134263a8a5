// A checkpoint as it was read, whatever its format: what Checkpoint holds and what inspect() reports on.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "a8w8/checkpoint.h"
#include "checkpoint/findings.h"
#include "checkpoint/folder.h"
#include "checkpoint/layer_roles.h"
#include "checkpoint/model_config.h"

namespace a8w8::checkpoint {

struct Loaded {
  Folder folder;
  CheckpointFormat format = CheckpointFormat::kFloat;
  bool is_understood = false;  // false: the format could not be told, or its own file is damaged
  std::string scheme;          // in one sentence
  ModelConfig config;
  std::vector<LayerRecord> layers;  // in the order of their weights
  std::unordered_map<std::string, size_t> layer_by_name;
  std::unordered_set<std::string> unused;  // tensors that are read over, with a warning
};

// Everything that is wrong goes into the findings. Throws Error only if the folder cannot be listed.
Loaded load(const std::string& folder, Findings& findings);

// Each format's part: types of the tensors, layers, checks, what the scheme is. The weights are read already.
void load_msmodelslim(Loaded& loaded, const std::string& description_file, Findings& findings);
void load_compressed_tensors(Loaded& loaded, Findings& findings);
void load_float(Loaded& loaded, Findings& findings);

// "msModelSlim checkpoint: 14 layers W8A8; the rest is float (bfloat16)" for each format's name.
std::string describe_scheme(const Loaded& loaded, const std::string& format);

}  // namespace a8w8::checkpoint
