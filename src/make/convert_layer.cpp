#include "make/convert_layer.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "a8w8/status.h"
#include "base/str_cat.h"
#include "checkpoint/json_text.h"
#include "checkpoint/layer_parameters.h"
#include "checkpoint/scalars.h"
#include "make/small_tensors.h"

namespace a8w8::make {
namespace {

constexpr double kNoise = 1e-3;  // steps: a bias that was made of whole steps is off by the rounding of float32

template <class T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// In the model's dtype if it holds every number, else float32.
SmallTensor in_model_dtype(const std::string& role, const Dims& sizes, const std::vector<float>& values, DType model) {
  const DType dtype = fit_exactly(values, model) ? model : DType::kF32;
  return {role, dtype, sizes, as_bytes(values, dtype)};
}

SmallTensor as_float32(const std::string& role, const Dims& sizes, const std::vector<float>& values) {
  return {role, DType::kF32, sizes, as_bytes(values, DType::kF32)};
}

// What is left of quant_bias without the zero point's part, in steps of deq_scale: exact, an integer.
std::vector<double> bias_steps(const LayerParameters& layer) {
  const int64_t offset = std::lround(value_at(*layer.input_offset, 0));
  std::vector<double> steps(static_cast<size_t>(layer.weight.sizes[0]));
  std::vector<int64_t> sums(steps.size());
  checkpoint::row_sums(layer.weight, sums.data());
  for (size_t i = 0; i < steps.size(); ++i) {
    int32_t quant_bias = 0;
    if (layer.quant_bias) std::memcpy(&quant_bias, static_cast<const std::byte*>(layer.quant_bias->data) + i * 4, 4);
    steps[i] = static_cast<double>(quant_bias + offset * sums[i]);
  }
  return steps;
}

// A float32 whose product with input_scale is deq_scale, or else comes next to it.
float matching_weight_scale(float deq_scale, float input_scale, LayerLoss& loss) {
  const float quotient = deq_scale / input_scale;
  const float candidates[] = {quotient, std::nextafter(quotient, 0.0f), std::nextafter(quotient, 1e30f)};
  for (const float scale : candidates) {
    if (input_scale * scale == deq_scale) return scale;
  }
  ++loss.scales_off;
  loss.scale_error = std::max(loss.scale_error, std::abs(double{input_scale * quotient} / deq_scale - 1));
  return quotient;
}

std::vector<SmallTensor> to_compressed_tensors(const LayerParameters& layer, const Target& target, LayerLoss& loss) {
  const int64_t n = layer.weight.sizes[0];
  std::vector<SmallTensor> result;
  if (layer.scheme == LayerScheme::kDynamic) {
    result.push_back(in_model_dtype("weight_scale", {n, 1}, values_of(*layer.weight_scale), target.model_dtype));
    if (layer.bias) result.push_back(in_model_dtype("bias", {n}, values_of(*layer.bias), target.model_dtype));
    return result;
  }
  const float input_scale = value_at(*layer.input_scale, 0);
  const std::vector<float> deq_scales = values_of(*layer.deq_scale);
  std::vector<float> weight_scales;
  for (const float deq_scale : deq_scales) weight_scales.push_back(matching_weight_scale(deq_scale, input_scale, loss));
  result.push_back(as_float32("weight_scale", {n, 1}, weight_scales));
  result.push_back(in_model_dtype("input_scale", {1}, {input_scale}, target.model_dtype));
  const auto offset = static_cast<int8_t>(std::lround(value_at(*layer.input_offset, 0)));
  if (offset != 0) result.push_back({"input_zero_point", DType::kI8, {1}, {static_cast<std::byte>(offset)}});
  if (!layer.bias && !target.adds_bias) return result;
  std::vector<float> biases(deq_scales.size());
  if (!target.sizes_only) {
    const std::vector<double> steps = bias_steps(layer);
    for (size_t i = 0; i < biases.size(); ++i) biases[i] = static_cast<float>(steps[i] * deq_scales[i]);
  }
  result.push_back(as_float32("bias", {n}, biases));
  return result;
}

// rint(bias / deq_scale) added to the zero point's part, as the format has it.
std::vector<int32_t> merged_quant_bias(const LayerParameters& layer, const std::vector<float>& deq_scales,
                                       LayerLoss& loss) {
  std::vector<int32_t> merged(deq_scales.size());
  for (size_t i = 0; i < merged.size(); ++i) {
    int32_t correction = 0;
    if (layer.quant_bias) std::memcpy(&correction, static_cast<const std::byte*>(layer.quant_bias->data) + i * 4, 4);
    double steps = 0;
    if (layer.bias && layer.adds_bias) steps = double{value_at(*layer.bias, static_cast<int64_t>(i))} / deq_scales[i];
    const double rounded = std::nearbyint(steps);
    if (std::abs(rounded - steps) > kNoise) {
      ++loss.biases_rounded;
      loss.bias_error = std::max(loss.bias_error, std::abs(rounded - steps));
    }
    const double sum = correction + rounded;
    if (!(std::abs(sum) <= std::numeric_limits<int32_t>::max())) {
      throw Error(ErrorCode::kUnsupported,
                  str_cat("layer ", checkpoint::quote(layer.name), ", row ", i, ": the bias is ", steps,
                          " steps of input_scale * weight_scale, which does not fit into quant_bias (int32)"));
    }
    merged[i] = static_cast<int32_t>(sum);
  }
  return merged;
}

// A product that is next to a number of the model's dtype was made for it, by matching_weight_scale: the tool's own
// scales are such numbers.
float snapped(float deq_scale, DType model) {
  const float rounded = checkpoint::rounded_to(model, deq_scale);
  return std::abs(rounded - deq_scale) <= 0x1p-23f * deq_scale ? rounded : deq_scale;
}

std::vector<SmallTensor> to_msmodelslim(const LayerParameters& layer, const Target& target, LayerLoss& loss) {
  const int64_t n = layer.weight.sizes[0];
  std::vector<SmallTensor> result;
  if (layer.scheme == LayerScheme::kDynamic) {
    result.push_back(as_float32("weight_scale", {n, 1}, values_of(*layer.weight_scale)));
    result.push_back(as_float32("weight_offset", {n, 1}, std::vector<float>(static_cast<size_t>(n))));
  } else {
    std::vector<float> deq_scales = values_of(*layer.deq_scale);
    for (float& scale : deq_scales) scale = snapped(scale, target.model_dtype);
    if (target.model_dtype == DType::kF16) {  // what the device wants beside a float16 output: the bits, in 64
      std::vector<int64_t> words;
      for (const float scale : deq_scales) words.push_back(std::bit_cast<uint32_t>(scale));
      result.push_back({"deq_scale", DType::kI64, {n}, bytes_of(words)});
    } else {
      result.push_back(as_float32("deq_scale", {n}, deq_scales));
    }
    result.push_back({"quant_bias", DType::kI32, {n}, bytes_of(merged_quant_bias(layer, deq_scales, loss))});
    result.push_back(as_float32("input_scale", {1}, {value_at(*layer.input_scale, 0)}));
    const float offset = layer.input_offset ? value_at(*layer.input_offset, 0) : 0.0f;
    result.push_back(as_float32("input_offset", {1}, {offset}));
  }
  if (layer.bias) {
    result.push_back(as_float32("bias", {n}, values_of(*layer.bias)));
    result.back().is_float_type = true;
  }
  return result;
}

}  // namespace

std::vector<SmallTensor> convert_layer(const LayerParameters& layer, const Target& target, LayerLoss& loss) {
  return target.format == CheckpointFormat::kCompressedTensors ? to_compressed_tensors(layer, target, loss)
                                                               : to_msmodelslim(layer, target, loss);
}

bool has_bias_inside(const LayerParameters& layer) {
  const std::vector<double> steps = bias_steps(layer);
  return std::any_of(steps.begin(), steps.end(), [](double step) { return step != 0; });
}

}  // namespace a8w8::make
