// What the tensors of a quantized msModelSlim linear must be. Reader and writer share it, so nothing is written that
// could not be read back.
//
//   <layer>.        W8A8                  W8A8_DYNAMIC   W8A8_MIX       W4A8_DYNAMIC
//   weight          int8 (n, k)           int8 (n, k)    int8 (n, k)    int8 (n / 2, k), two int4 a byte; or (n, k)
//   deq_scale       float32, or int64 holding its bits   as W8A8        -
//   quant_bias      int32                 -              int32          -
//   input_scale     one float             -              one float      -       a number a row of the weight is stored
//   input_offset    one integer           -              one integer    -       as (n,) or (n, 1), a single number as
//   weight_scale    optional              float          float          float   (1,), (1, 1) or ()
//   weight_offset   optional, zeros       optional, zeros
//   bias            optional float
#pragma once

#include <vector>

#include "a8w8/checkpoint.h"
#include "checkpoint/findings.h"
#include "checkpoint/tensor_table.h"

namespace a8w8::checkpoint {

// Tensors that no file holds yet.
void check_quantized_layers(const std::vector<CheckpointTensor>& tensors, Findings& findings);
void check_quantized_layers(const TensorTable& table, Findings& findings);

// Rows of a W4A8_DYNAMIC layer: what weight_scale has; 0 if that is absent or does not fit the weight.
int64_t int4_rows(const TensorTable& table, const std::string& layer);

}  // namespace a8w8::checkpoint
