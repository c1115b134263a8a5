#include "make/choose_layers.h"

#include <fnmatch.h>

#include <algorithm>
#include <unordered_set>

#include "a8w8/status.h"
#include "base/str_cat.h"
#include "checkpoint/findings.h"
#include "checkpoint/fused_layers.h"
#include "checkpoint/json_text.h"
#include "checkpoint/linear_names.h"
#include "checkpoint/msmodelslim_format.h"
#include "checkpoint/tensor_table.h"

namespace a8w8::make {
namespace ck = checkpoint;
namespace {

// The pattern that leaves this layer float; "" if none does.
std::string skipped_by(const std::string& layer, const std::vector<std::string>& skip) {
  const auto matches = [&layer](const std::string& pattern) {
    return ::fnmatch(pattern.c_str(), layer.c_str(), FNM_NOESCAPE) == 0;
  };
  const auto it = std::find_if(skip.begin(), skip.end(), matches);
  return it == skip.end() ? "" : *it;
}

const char* reason_of(ck::WeightKind kind) {
  switch (kind) {
    case ck::WeightKind::kHead:
      return "output head";
    case ck::WeightKind::kRouter:
      return "router of experts";
    case ck::WeightKind::kEmbedding:
      return "embedding";
    default:
      return "no linear layer that fits (name, or k beyond 65535)";
  }
}

// The weights of GPT-2's layers are (k, n): c_attn makes three of one, so it is wide where a linear layer is tall.
void check_not_transposed(const CheckpointTensor& tensor, const std::string& where) {
  if (!tensor.name.ends_with("c_attn.weight") || tensor.view.sizes[1] <= tensor.view.sizes[0]) return;
  throw Error(ErrorCode::kUnsupported,
              str_cat(where, ": tensor ", ck::quote(tensor.name), " has shape ", tensor.view.sizes.str(),
                      ", which is that of a Conv1D (weights transposed, as in GPT-2), not of a linear layer; "
                      "checkpoints of W8A8 cannot express it"));
}

void check_patterns(const std::vector<CheckpointTensor>& tensors, const std::vector<std::string>& skip,
                    const std::string& where) {
  for (const std::string& pattern : skip) {
    const bool is_used = std::any_of(tensors.begin(), tensors.end(), [&pattern](const CheckpointTensor& tensor) {
      const std::string layer(ck::layer_of_weight(tensor.name));
      return !layer.empty() && !skipped_by(layer, {pattern}).empty();
    });
    if (is_used) continue;
    const auto layer = std::find_if(tensors.begin(), tensors.end(), [](const CheckpointTensor& tensor) {
      return tensor.view.rank() == 2 && !ck::layer_of_weight(tensor.name).empty();
    });
    throw Error(
        ErrorCode::kInvalidArgument,
        str_cat(where, ": skip holds ", ck::quote(pattern), ", which matches no layer",
                layer == tensors.end() ? "" : "; names look like " + ck::quote(ck::layer_of_weight(layer->name))));
  }
}

// Runtimes that fuse layers want all of them to be of one type, and the reader of checkpoints demands it.
void check_fused(const std::vector<CheckpointTensor>& tensors, const Choice& choice, const std::string& where) {
  const std::unordered_set<std::string> quantized(choice.quantized.begin(), choice.quantized.end());
  std::vector<CheckpointTensor> planned;
  for (const CheckpointTensor& tensor : tensors) {
    const bool is_quantized = quantized.contains(std::string(ck::layer_of_weight(tensor.name)));
    planned.push_back({tensor.name, std::string(is_quantized ? ck::kDynamicType : ck::kFloatType), tensor.view});
  }
  ck::Findings findings;
  ck::check_fused_layers(ck::TensorTable(planned), findings);
  if (const Status status = findings.status(where); !status.ok())
    throw Error(ErrorCode::kInvalidArgument, status.message);
}

}  // namespace

Choice choose_layers(const std::vector<CheckpointTensor>& tensors, const std::vector<std::string>& skip,
                     const std::string& where) {
  check_patterns(tensors, skip, where);
  Choice choice;
  int64_t expert_bytes = 0;
  for (const CheckpointTensor& tensor : tensors) {
    const ConstTensorView& view = tensor.view;
    const bool is_float = is_floating(view.dtype);
    if (is_float && view.rank() == 3 && tensor.name.find("experts") != std::string::npos)
      expert_bytes += view.numel() * static_cast<int64_t>(dtype_size(view.dtype));
    const std::string layer(ck::layer_of_weight(tensor.name));
    if (layer.empty() || !is_float || view.rank() != 2) continue;
    check_not_transposed(tensor, where);
    const ck::WeightKind kind = ck::weight_kind(tensor.name, view.dtype, view.sizes);
    if (const std::string pattern = skipped_by(layer, skip); !pattern.empty()) {
      choice.kept.push_back({layer, "skipped by " + ck::quote(pattern)});
    } else if (kind == ck::WeightKind::kLinear) {
      choice.quantized.push_back(layer);
    } else {
      choice.kept.push_back({layer, reason_of(kind)});
    }
  }
  if (choice.quantized.empty())
    throw Error(ErrorCode::kInvalidArgument, where + ": holds no linear layer to quantize, or all of them are skipped");
  check_fused(tensors, choice, where);
  if (expert_bytes > 0) {
    choice.warnings.push_back(str_cat(expert_bytes,
                                      " bytes of experts that lie together in tensors of three dimensions "
                                      "stay float; a checkpoint with one linear layer an expert would have them "
                                      "quantized"));
  }
  return choice;
}

}  // namespace a8w8::make
