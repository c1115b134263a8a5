// Which weights of a float model belong to linear layers, told by name and shape, since no model code is at hand.
#pragma once

#include <string_view>

#include "a8w8/tensor_view.h"

namespace a8w8::checkpoint {

enum class WeightKind {
  kLinear,     // x . weight^T: can be quantized
  kHead,       // the output layer over the vocabulary, linear too; the tools leave it float
  kRouter,     // chooses experts: small, and errors there change the choice; the tools leave it float
  kEmbedding,  // a table of rows
  kOther,      // a norm, a convolution, a bias, experts in one tensor of three dimensions, ...
};

// A weight is "<layer>.weight", a float matrix (n, k). By the parts of the layer's name between dots:
//   kEmbedding  the last part has "embed" in it, but neither "proj" nor "mapping" nor "_out" (embed_tokens, embed_in,
//               word_embeddings), or is wte, wpe or shared, or ends in _attention_bias (T5's relative positions), or a
//               part is "embeddings" and none after it says proj, dense or linear
//   kHead       a part begins with lm_head; embed_out, output_projection; decoder below predictions; proj_out below the
//               root (Whisper)
//   kRouter     the last part is gate, shared_expert_gate or wg, or one of the last two has "router" in it
//   kOther      the last part has "norm" or "conv" in it
//   kLinear     all others, if n and k are not 0 and k is at most 65535, beyond which int32 sums could overflow
WeightKind weight_kind(std::string_view tensor_name, DType dtype, const Dims& sizes);

}  // namespace a8w8::checkpoint
