// scale_bias of W4A8_DYNAMIC layers: 8 * sum_k w * weight_scale, a constant that the NPU's kernel needs. Here it is not
// used, but it tells whether weights and scales belong together and were unpacked in the right order.
#pragma once

#include "checkpoint/findings.h"
#include "checkpoint/loaded.h"

namespace a8w8::checkpoint {

// Reads the weights.
void check_int4_layers(const Loaded& loaded, Findings& findings);

}  // namespace a8w8::checkpoint
