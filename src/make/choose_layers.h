// Which layers of a float model are quantized, and what is said about the others.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "a8w8/make_checkpoint.h"

namespace a8w8::make {

struct Choice {
  std::vector<std::string> quantized;  // in the order of the tensors
  std::vector<KeptLayer> kept;
  std::vector<std::string> warnings;
};

// `where` is for messages. Throws Error: kInvalidArgument for a pattern that matches no layer, for patterns that leave
// float only some of the layers that runtimes fuse, and if nothing is left; kUnsupported for weights that lie
// transposed.
Choice choose_layers(const std::vector<CheckpointTensor>& tensors, const std::vector<std::string>& skip,
                     const std::string& where);

}  // namespace a8w8::make
