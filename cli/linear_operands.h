// The operands of the float-to-float layers, owned.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "a8w8/linear_ops.h"
#include "a8w8/quantize.h"
#include "cli/buffer.h"
#include "cli/shapes.h"

namespace a8w8::cli {

class LinearOperands {
 public:
  LinearOperands(const Shape& shape, DType in);  // random ones

  LinearDynamicArgs dynamic_args() const;
  LinearStaticArgs static_args() const;
  DynamicQuantArgs quant_args() const { return {.x = x()}; }
  TensorView out() { return {out_.data(), in_, {shape_.m, shape_.n}}; }
  TensorView quantized() { return {quantized_.data(), DType::kI8, {shape_.m, shape_.k}}; }
  TensorView row_scales() { return {row_scales_.data(), DType::kF32, {shape_.m}}; }

  // Some elements of out(), or rows of quantized(), against the reference.
  std::optional<std::string> wrong_dynamic() const;
  std::optional<std::string> wrong_static() const;
  std::optional<std::string> wrong_quantized() const;

 private:
  ConstTensorView x() const { return {x_.data(), in_, {shape_.m, shape_.k}}; }
  ConstTensorView row(int64_t i) const;

  Shape shape_;
  DType in_;
  Buffer x_, weight_, out_, quantized_;
  std::vector<float> weight_scale_, row_scales_;
  std::vector<int32_t> quant_bias_;
  float input_scale_ = 0.02f, input_offset_ = 3.0f;
};

}  // namespace a8w8::cli
