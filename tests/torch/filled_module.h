// What the tests of the modules share: modules of 4 -> 3 features with real data, and PyTorch's warnings caught.
#pragma once

#include <ATen/ops/randint.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "a8w8/torch/linear_quant.h"

namespace a8w8::torch {

inline at::Tensor int8(at::IntArrayRef sizes) { return at::randint(-128, 128, sizes, at::kChar); }

template <class Holder>
Holder filled(const LinearQuantOptions& options) {
  Holder module(options);
  module->weight.set_data(int8({3, 4}));
  module->scale.set_data(at::tensor({0.5f, 0.0078125f, 2.0f}));  // 19 bits hold them, so packing changes nothing
  if (options.offset()) module->offset.set_data(at::tensor({1.0f, 2.0f, -3.0f}));
  if (options.pertoken_scale()) module->pertoken_scale.set_data(at::tensor({0.01f, 0.02f, 0.03f}));
  if (options.bias()) module->bias.set_data(at::tensor({5, -6, 7}, at::kInt));
  return module;
}

inline LinearQuantOptions four_to_three() { return LinearQuantOptions(4, 3); }
inline LinearQuantOptions with_output(at::ScalarType type) { return four_to_three().output_dtype(type); }
inline LinearQuantOptions everything() { return four_to_three().offset(true).pertoken_scale(true); }

// For EXPECT_PRED2.
inline bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// What a call throws: "" if nothing.
template <class Error, class Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

// Hears the warnings of PyTorch while it lives.
class WarningRecorder : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override { messages.push_back(warning.msg()); }

  std::vector<std::string> messages;

 private:
  c10::WarningUtils::WarningHandlerGuard guard_{this};
};

template <class Holder>
class QuietTest : public testing::Test {
  WarningRecorder warnings_;  // the old module warns whenever one is made
};

}  // namespace a8w8::torch
