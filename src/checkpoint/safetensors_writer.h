// What can be written, for those who want to know before they begin.
#pragma once

#include <string>

#include "a8w8/tensor_view.h"

namespace a8w8::checkpoint {

// Throws Error(kInvalidArgument), naming `path` and the tensor, for a name or a view that cannot go into a safetensors
// file.
void check_writable(const std::string& name, const ConstTensorView& view, const std::string& path);

}  // namespace a8w8::checkpoint
