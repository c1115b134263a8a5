// Small checkpoint folders of every format.
#pragma once

#include <string>

#include "a8w8/checkpoint.h"
#include "support/checkpoint_builder.h"
#include "support/checkpoint_files.h"

namespace a8w8::testing {

inline void write_msmodelslim(const TempFolder& folder, const CheckpointBuilder& builder,
                              const std::string& more = "") {
  write_safetensors(folder / "model.safetensors", builder.named());
  write_bytes(folder / "quant_model_description.json", builder.description(more));
}

// The parts of a compressed-tensors config, to be put together or spoiled.
inline const std::string kInt8Channel =
    R"({"num_bits":8,"type":"int","strategy":"channel","symmetric":true,"dynamic":false,"group_size":null})";
inline const std::string kInt4Channel =
    R"({"num_bits":4,"type":"int","strategy":"channel","symmetric":true,"dynamic":false})";
inline const std::string kDynamicToken =
    R"({"num_bits":8,"type":"int","strategy":"token","symmetric":true,"dynamic":true})";
inline const std::string kStaticTensor =
    R"({"num_bits":8,"type":"int","strategy":"tensor","symmetric":true,"dynamic":false})";
inline const std::string kStaticAsymmetric =
    R"({"num_bits":8,"type":"int","strategy":"tensor","symmetric":false,"dynamic":false})";

inline std::string config_group(const std::string& weights, const std::string& inputs,
                                const std::string& targets = R"(["Linear"])", const std::string& more = "") {
  return R"({"targets":)" + targets + R"(,"weights":)" + weights + R"(,"input_activations":)" + inputs + more + "}";
}

inline std::string quantization_config(const std::string& groups, const std::string& more = R"("ignore":["lm_head"])",
                                       const std::string& format = "int-quantized") {
  return R"({"quant_method":"compressed-tensors","format":")" + format + R"(","config_groups":{)" + groups + "}" +
         (more.empty() ? "" : "," + more) + "}";
}

inline std::string one_group(const std::string& weights, const std::string& inputs) {
  return quantization_config(R"("group_0":)" + config_group(weights, inputs));
}

inline void write_compressed(const TempFolder& folder, const CheckpointBuilder& builder,
                             const std::string& quantization, const std::string& dtype = "bfloat16") {
  write_safetensors(folder / "model.safetensors", builder.named());
  write_bytes(folder / "config.json",
              R"({"architectures":["M"],"dtype":")" + dtype + R"(","quantization_config":)" + quantization + "}");
}

}  // namespace a8w8::testing
