// One quantized layer in the words of another format. Weights stay as they are; what is beside them is small.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "a8w8/checkpoint.h"

namespace a8w8::make {

// A tensor of the result, "<layer>.<role>".
struct SmallTensor {
  std::string role;
  DType dtype;
  Dims sizes;
  std::vector<std::byte> bytes;
  bool is_float_type = false;  // the description calls it FLOAT
};

struct Target {
  CheckpointFormat format;
  DType model_dtype;
  bool adds_bias = false;   // to compressed-tensors: the layer needs a float bias though it had none
  bool sizes_only = false;  // bytes are not wanted, and the weight is not read
};

// How far the result is from the layer it is made of.
struct LayerLoss {
  int64_t scales_off = 0;      // of its rows: input_scale * weight_scale is not deq_scale to the bit
  double scale_error = 0;      // the largest relative difference
  int64_t biases_rounded = 0;  // of its rows: the float bias was rounded to steps of deq_scale
  double bias_error = 0;       // the largest difference, in steps
};

// All tensors of the layer but the weight.
std::vector<SmallTensor> convert_layer(const LayerParameters& layer, const Target& target, LayerLoss& loss);

// Whether quant_bias holds more than the correction for the zero point; reads the weight.
bool has_bias_inside(const LayerParameters& layer);

}  // namespace a8w8::make
