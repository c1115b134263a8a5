// The public face of what load() read.
#include "a8w8/checkpoint.h"

#include <algorithm>
#include <string_view>

#include "a8w8/status.h"
#include "base/str_cat.h"
#include "checkpoint/findings.h"
#include "checkpoint/json_text.h"
#include "checkpoint/layer_parameters.h"
#include "checkpoint/loaded.h"
#include "checkpoint/names.h"

namespace a8w8 {
namespace ck = checkpoint;

struct Checkpoint::Impl {
  ck::Loaded loaded;
  std::vector<std::string> warnings;

  const CheckpointTensor& get(const std::string& name) const;  // kNotFound if absent
  const ck::LayerRecord* find_layer(const std::string& name) const {
    const auto it = loaded.layer_by_name.find(name);
    return it == loaded.layer_by_name.end() ? nullptr : &loaded.layers[it->second];
  }
};

const CheckpointTensor& Checkpoint::Impl::get(const std::string& name) const {
  if (const CheckpointTensor* tensor = loaded.folder.table.find(name)) return *tensor;
  std::vector<std::string_view> known;
  for (const CheckpointTensor& tensor : loaded.folder.table.tensors()) known.push_back(tensor.name);
  throw Error(ErrorCode::kNotFound,
              loaded.folder.path + ": no tensor " + ck::quote(name) + ck::near_names(name, known));
}

const char* format_name(CheckpointFormat format) {
  switch (format) {
    case CheckpointFormat::kMsModelSlim:
      return "msmodelslim";
    case CheckpointFormat::kCompressedTensors:
      return "compressed-tensors";
    case CheckpointFormat::kFloat:
      break;
  }
  return "float";
}

Checkpoint Checkpoint::open(const std::string& folder) {
  ck::Findings findings;
  const auto impl = std::make_shared<Impl>();
  impl->loaded = ck::load(folder, findings);
  throw_if_error(findings.status(folder));
  for (const Finding& finding : findings.all()) impl->warnings.push_back(finding.text());
  Checkpoint checkpoint;
  checkpoint.impl_ = impl;
  return checkpoint;
}

const std::string& Checkpoint::folder() const { return impl_->loaded.folder.path; }
CheckpointFormat Checkpoint::format() const { return impl_->loaded.format; }
const std::string& Checkpoint::scheme() const { return impl_->loaded.scheme; }
const std::vector<std::string>& Checkpoint::warnings() const { return impl_->warnings; }
std::optional<DType> Checkpoint::model_dtype() const { return impl_->loaded.config.dtype; }
const std::vector<CheckpointTensor>& Checkpoint::tensors() const { return impl_->loaded.folder.table.tensors(); }
bool Checkpoint::contains(const std::string& name) const { return impl_->loaded.folder.table.find(name) != nullptr; }
ConstTensorView Checkpoint::tensor(const std::string& name) const { return impl_->get(name).view; }
const std::string& Checkpoint::quant_type(const std::string& layer) const {
  return impl_->get(layer + ".weight").quant_type;
}

std::vector<std::string> Checkpoint::quantized_layers() const {
  std::vector<std::string> names;
  for (const ck::LayerRecord& layer : impl_->loaded.layers) names.push_back(layer.name);
  return names;
}

LayerParameters Checkpoint::layer(const std::string& name, const LayerOptions& options) const {
  if (const ck::LayerRecord* record = impl_->find_layer(name)) {
    return ck::layer_parameters(impl_->loaded, *record, options, impl_);
  }
  if (contains(name + ".weight")) {
    throw Error(ErrorCode::kUnsupported,
                str_cat(folder(), ": layer ", ck::quote(name), " is of type ", quant_type(name),
                        "; must be a quantized one, such as ",
                        impl_->loaded.layers.empty() ? "there is none in this checkpoint"
                                                     : ck::quote(impl_->loaded.layers[0].name)));
  }
  std::vector<std::string_view> known;
  for (const ck::LayerRecord& layer : impl_->loaded.layers) known.push_back(layer.name);
  throw Error(ErrorCode::kNotFound, folder() + ": no layer " + ck::quote(name) + ck::near_names(name, known));
}

std::string Checkpoint::layer_of(const std::string& tensor) const {
  const std::string parent(ck::parent_name(tensor));
  return impl_->find_layer(parent) == nullptr ? "" : parent;
}

bool Checkpoint::is_ignored(const std::string& tensor) const { return impl_->loaded.unused.contains(tensor); }

}  // namespace a8w8
