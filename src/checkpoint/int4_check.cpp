#include "checkpoint/int4_check.h"

#include <cmath>
#include <vector>

#include "base/str_cat.h"
#include "checkpoint/layer_parameters.h"
#include "checkpoint/msmodelslim_layers.h"
#include "checkpoint/scalars.h"

namespace a8w8::checkpoint {
namespace {

// What the tools may have lost by computing in the model's dtype: a part of the sum, and the rounding of its terms
// where they cancel. A wrong order of the rows misses by far more.
constexpr double kRelative = 0.02;
double slack(double magnitude, double row_scale, int64_t k) {
  return kRelative * magnitude + 8 * row_scale * (1 + kRelative * std::sqrt(static_cast<double>(k)));
}

void check_layer(const Loaded& loaded, const LayerRecord& layer, Findings& findings) {
  const TensorTable& table = loaded.folder.table;
  const CheckpointTensor* stored = table.find(layer.name + ".scale_bias");
  const CheckpointTensor* scale = table.find(layer.name + ".weight_scale");
  if (stored == nullptr || scale == nullptr || !is_floating(stored->view.dtype) || !is_floating(scale->view.dtype))
    return;
  const LayerParameters parameters = layer_parameters(loaded, layer, {}, nullptr);
  const int64_t n = parameters.weight.sizes[0], slices = stored->view.numel() / n;
  Finding finding{.file = table.file_of(stored->name), .tensor = stored->name};
  if (stored->view.numel() != n * slices || stored->view.rank() > 2 || slices < 1 || stored->view.sizes[0] != n) {
    finding.found = "has shape " + stored->view.sizes.str();
    finding.expected = str_cat("of shape (", n, ", 1) or (", n, ", 16)");
    finding.cause = "a tensor of another layer, or scales for groups of k";
    return findings.add(finding);
  }
  std::vector<int64_t> sums(static_cast<size_t>(n));
  row_sums(parameters.weight, sums.data());
  const ConstTensorView flat(stored->view.data, stored->view.dtype, {stored->view.numel()});
  for (int64_t i = 0; i < n; ++i) {
    double found = 0, magnitude = 0;
    for (int64_t j = 0; j < slices; ++j) {
      const double part = element(flat, i * slices + j);
      found += part, magnitude += std::fabs(part);
    }
    const double row_scale = element(*parameters.weight_scale, i);
    const double expected = 8.0 * static_cast<double>(sums[static_cast<size_t>(i)]) * row_scale;
    if (std::fabs(found - expected) <= slack(magnitude + std::fabs(expected), row_scale, parameters.weight.sizes[1]))
      continue;
    finding.found = str_cat("has ", found, " in row ", i);
    finding.expected = str_cat(expected, ", 8 * sum_k weight * weight_scale");
    finding.cause = "weights or scales of another version of the layer, or int4 packed in another order";
    return findings.add(finding);
  }
}

}  // namespace

void check_int4_layers(const Loaded& loaded, Findings& findings) {
  for (const LayerRecord& layer : loaded.layers) {
    if (layer.kind != LayerKind::kInt4 || int4_rows(loaded.folder.table, layer.name) == 0) continue;
    check_layer(loaded, layer, findings);
  }
}

}  // namespace a8w8::checkpoint
