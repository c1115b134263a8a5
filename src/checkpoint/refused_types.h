// Schemes that exist and are not computed here: what each is, and what it would take. A name alone helps nobody.
#pragma once

#include <string>
#include <string_view>

namespace a8w8::checkpoint {

struct Refusal {
  std::string what;    // "sparse weights, compressed to a stream that only CANN can expand"
  std::string needed;  // "an Ascend machine, or the float model quantized anew as W8A8"
};

// Of a type of msModelSlim's description that is none of ours.
Refusal refused_type(std::string_view type);
// Of a dtype of safetensors that the library lacks; empty for an unknown one.
std::string foreign_dtype(std::string_view dtype);
// Of a compressed-tensors "format"; of a "quant_method" of config.json.
Refusal refused_format(std::string_view format);
Refusal refused_method(std::string_view method);

}  // namespace a8w8::checkpoint
