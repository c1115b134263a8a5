// Linears that runtimes lay side by side and compute as one: their shards must be of one type.
#pragma once

#include "checkpoint/findings.h"
#include "checkpoint/tensor_table.h"

namespace a8w8::checkpoint {

// Shards of different types are errors; different input scales or offsets of static shards, which see the same input,
// are warnings: here shards are kept apart, so the result is right.
void check_fused_layers(const TensorTable& table, Findings& findings);

}  // namespace a8w8::checkpoint
