// What a conversion comes to, in sentences.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "a8w8/make_checkpoint.h"
#include "make/convert_layer.h"

namespace a8w8::make {

struct ConversionFacts {
  std::map<std::string, int64_t> layers_of_type;  // by the source's types
  int64_t ignored = 0;                            // tensors that are left out
  LayerLoss loss;                                 // of all layers

  void add(const LayerLoss& of_layer);
};

// Fills losses and notes of a report whose other fields are set.
void describe(const ConversionFacts& facts, ConvertCheckpointReport& report);

}  // namespace a8w8::make
