// What the tensors of a W8A8 or W8A8_DYNAMIC linear must be. Reader and writer share it, so nothing is written that
// could not be read back.
//
//   <layer>.        W8A8                              W8A8_DYNAMIC
//   weight          int8 (n, k)                       int8 (n, k)
//   deq_scale       float32, or int64 holding its bits
//   quant_bias      int32
//   input_scale     one float                         a number a row of the weight is stored as (n,) or (n, 1),
//   input_offset    one integer of any dtype          a single number as (1,), (1, 1) or ()
//   weight_scale    optional                          float
//   weight_offset   optional, zeros                   optional, zeros
//   bias            optional float                    optional float
#pragma once

#include <vector>

#include "a8w8/checkpoint.h"
#include "checkpoint/findings.h"

namespace a8w8::checkpoint {

void check_quantized_layers(const std::vector<CheckpointTensor>& tensors, Findings& findings);

}  // namespace a8w8::checkpoint
