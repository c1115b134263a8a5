#include "make/convert_report.h"

#include <algorithm>
#include <cstdio>

#include "base/str_cat.h"

namespace a8w8::make {
namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", value);
  return text;
}

// What the types of the source come to, where that is not the same computation in other words.
void describe_types(const ConversionFacts& facts, ConvertCheckpointReport& report) {
  for (const auto& [type, count] : facts.layers_of_type) {
    if (type == "W8A8_MIX") {
      report.losses.push_back(str_cat(count, " layers W8A8_MIX: the dynamic side is kept, the static one is left out"));
    } else if (type.starts_with("W4A8") || type.starts_with("int4")) {
      report.losses.push_back(str_cat(count, " layers ", type,
                                      ": weights become int8, the same numbers in twice the space",
                                      " or more; what only int4 kernels need (scale_bias) is left out"));
    }
  }
  if (facts.ignored > 0) {
    report.losses.push_back(
        str_cat(facts.ignored, " tensors of a quantized cache or of quantized attention are left out"));
  }
}

void describe_static_layers(const ConversionFacts& facts, ConvertCheckpointReport& report) {
  if (report.static_layers == 0) return;
  const LayerLoss& loss = facts.loss;
  if (report.to == CheckpointFormat::kMsModelSlim) {
    report.notes.push_back("deq_scale = input_scale * weight_scale in float32");
    if (loss.biases_rounded > 0) {
      report.losses.push_back(str_cat("static layers: the float bias of ", loss.biases_rounded,
                                      " outputs is rounded to whole steps of deq_scale inside quant_bias; the largest "
                                      "difference is ",
                                      number(loss.bias_error), " steps"));
    }
    return;
  }
  report.notes.push_back(
      "static layers: weight_scale = deq_scale / input_scale, in float32, so that the product is deq_scale");
  report.notes.push_back(
      "static layers: bias = (quant_bias + input_offset * sum of the weight's row) * deq_scale, in float32; "
      "results equal the source's up to rounding in float32");
  if (loss.scales_off > 0) {
    report.losses.push_back(str_cat("static layers: for ", loss.scales_off,
                                    " outputs no float32 weight_scale gives deq_scale "
                                    "to the bit; the largest relative difference is ",
                                    number(loss.scale_error)));
  }
}

}  // namespace

void ConversionFacts::add(const LayerLoss& of_layer) {
  loss.scales_off += of_layer.scales_off;
  loss.scale_error = std::max(loss.scale_error, of_layer.scale_error);
  loss.biases_rounded += of_layer.biases_rounded;
  loss.bias_error = std::max(loss.bias_error, of_layer.bias_error);
}

void describe(const ConversionFacts& facts, ConvertCheckpointReport& report) {
  describe_types(facts, report);
  describe_static_layers(facts, report);
}

}  // namespace a8w8::make
