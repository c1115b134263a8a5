#include "checkpoint/fused_layers.h"

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "base/str_cat.h"
#include "checkpoint/scalars.h"

namespace a8w8::checkpoint {
namespace {

using Names = std::array<std::string_view, 3>;  // "" where there are only two

constexpr Names kFused[] = {{"q_proj", "k_proj", "v_proj"},
                            {"query", "key", "value"},
                            {"wq", "wk", "wv"},
                            {"gate_proj", "up_proj", ""},
                            {"w1", "w3", ""}};

const CheckpointTensor* weight_of(const TensorTable& table, const std::string& layer) {
  const CheckpointTensor* weight = table.find(layer + ".weight");
  return weight != nullptr && weight->view.rank() == 2 ? weight : nullptr;
}

void compare_types(const TensorTable& table, const CheckpointTensor& first, const CheckpointTensor& shard,
                   Findings& findings) {
  if (shard.quant_type == first.quant_type) return;
  findings.add({.file = table.file_of(shard.name),
                .tensor = shard.name,
                .found = str_cat("is of type ", shard.quant_type, ", but ", first.name,
                                 ", which runtimes fuse with it, of ", first.quant_type),
                .expected = "of the same type",
                .cause = "a list of layers to skip that names only some of the shards"});
}

void compare_inputs(const TensorTable& table, const std::string& first, const std::string& shard, Findings& findings) {
  for (const char* role : {".input_scale", ".input_offset", ".input_zero_point"}) {
    const CheckpointTensor *a = table.find(first + role), *b = table.find(shard + role);
    if (a == nullptr || b == nullptr || a->view.numel() != 1 || b->view.numel() != 1) continue;
    const double x = element(a->view, 0), y = element(b->view, 0);
    if (x == y || x != x || y != y) continue;
    findings.warn(
        {.file = table.file_of(b->name),
         .tensor = b->name,
         .found = str_cat("is ", y, ", but ", a->name, " is ", x),
         .expected = "the same, as runtimes fuse the two layers; here they are computed apart, each with its own",
         .cause = "shards that were calibrated apart"});
  }
}

}  // namespace

void check_fused_layers(const TensorTable& table, Findings& findings) {
  for (const CheckpointTensor& tensor : table.tensors()) {
    const std::string_view layer = layer_of_weight(tensor.name), parent = parent_name(layer);
    if (layer.empty() || tensor.view.rank() != 2) continue;
    const std::string_view kind = parent.empty() ? layer : layer.substr(parent.size() + 1);
    for (const Names& names : kFused) {
      if (kind != names[0]) continue;
      const std::string prefix = parent.empty() ? "" : std::string(parent) + ".";
      for (const std::string_view name : std::span(names).subspan(1)) {
        const std::string shard = prefix + std::string(name);
        const CheckpointTensor* weight = name.empty() ? nullptr : weight_of(table, shard);
        if (weight == nullptr) continue;
        compare_types(table, tensor, *weight, findings);
        compare_inputs(table, std::string(layer), shard, findings);
      }
    }
  }
}

}  // namespace a8w8::checkpoint
