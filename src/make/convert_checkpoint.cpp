// From one format to the other: layer by layer, weights copied as they lie.
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "a8w8/make_checkpoint.h"
#include "a8w8/status.h"
#include "base/str_cat.h"
#include "checkpoint/checkpoint_output.h"
#include "checkpoint/json_text.h"
#include "checkpoint/msmodelslim_format.h"
#include "make/convert_layer.h"
#include "make/convert_report.h"
#include "make/source_files.h"
#include "make/tasks.h"

namespace a8w8 {
namespace ck = checkpoint;
namespace {

// A tensor that is copied, or a layer; `to` is where its tensors begin in the plan, the weight of a layer first.
struct Job {
  const CheckpointTensor* copied = nullptr;
  std::string layer;
  bool is_mapped = false;  // the layer's weight is copied as it lies in the file
  bool adds_bias = false;
  size_t to = 0;
};

struct Conversion {
  const Checkpoint& source;
  make::Target target;
  std::vector<ck::PlannedTensor> plan = {};
  std::vector<Job> jobs = {};
  std::unordered_set<std::string> with_bias_inside = {};
  make::ConversionFacts facts = {};
  std::mutex facts_mutex = {};

  make::Target target_of(const Job& job) const {
    make::Target result = target;
    result.adds_bias = job.adds_bias;
    return result;
  }
};

DType model_dtype_of(const Checkpoint& source) {
  if (source.model_dtype()) return *source.model_dtype();
  for (const CheckpointTensor& tensor : source.tensors()) {
    if (is_floating(tensor.view.dtype) && source.layer_of(tensor.name).empty()) return tensor.view.dtype;
  }
  return DType::kF32;
}

bool is_mapped(const Checkpoint& source, const LayerParameters& layer) {
  const ConstTensorView stored = source.tensor(layer.name + ".weight");
  return stored.data == layer.weight.data && layer.weight.is_contiguous();
}

// Static msModelSlim layers without a bias of their own, whose quant_bias has one inside all the same. Seldom, but a
// bias that nobody plans for would be lost.
void find_biases_inside(Conversion& conversion, int num_threads) {
  const Checkpoint& source = conversion.source;
  make::Tasks tasks;
  std::mutex mutex;
  for (const std::string& name : source.quantized_layers()) {
    if (source.contains(name + ".bias") || !source.contains(name + ".quant_bias")) continue;
    tasks.push_back({0, [&source, &conversion, &mutex, name] {
                       const LayerParameters layer = source.layer(name);
                       if (layer.scheme != LayerScheme::kStatic || !make::has_bias_inside(layer)) return;
                       const std::lock_guard lock(mutex);
                       conversion.with_bias_inside.insert(name);
                     }});
  }
  make::run_tasks(tasks, num_threads, nullptr);
}

void plan_layer(Conversion& conversion, const std::string& name) {
  const LayerParameters layer = conversion.source.layer(name);
  Job job;
  job.layer = name;
  job.is_mapped = is_mapped(conversion.source, layer);
  job.adds_bias = conversion.with_bias_inside.contains(name);
  job.to = conversion.plan.size();
  make::Target target = conversion.target_of(job);
  target.sizes_only = true;
  make::LayerLoss ignored;
  const std::string type(layer.scheme == LayerScheme::kStatic ? ck::kStaticType : ck::kDynamicType);
  conversion.plan.push_back({name + ".weight", type, DType::kI8, layer.weight.sizes});
  for (const make::SmallTensor& tensor : make::convert_layer(layer, target, ignored)) {
    const std::string own_type = tensor.is_float_type ? std::string(ck::kFloatType) : type;
    conversion.plan.push_back({name + "." + tensor.role, own_type, tensor.dtype, tensor.sizes});
  }
  conversion.jobs.push_back(std::move(job));
  ++conversion.facts.layers_of_type[layer.quant_type];
}

void make_plan(Conversion& conversion) {
  const Checkpoint& source = conversion.source;
  for (const CheckpointTensor& tensor : source.tensors()) {
    const std::string layer = source.layer_of(tensor.name);
    if (!layer.empty()) {
      if (tensor.name == layer + ".weight") plan_layer(conversion, layer);
    } else if (source.is_ignored(tensor.name)) {
      ++conversion.facts.ignored;
    } else {
      Job job;
      job.copied = &tensor;
      job.to = conversion.plan.size();
      conversion.jobs.push_back(std::move(job));
      conversion.plan.push_back({tensor.name, std::string(ck::kFloatType), tensor.view.dtype, tensor.view.sizes});
    }
  }
}

void write_layer(Conversion& conversion, const Job& job, ck::CheckpointOutput& output) {
  const LayerParameters layer = conversion.source.layer(job.layer);
  make::LayerLoss loss;
  size_t to = job.to;
  if (!job.is_mapped) output.write(to, 0, layer.weight.data, static_cast<size_t>(layer.weight.numel()));
  for (const make::SmallTensor& tensor : make::convert_layer(layer, conversion.target_of(job), loss))
    output.write(++to, 0, tensor.bytes.data(), tensor.bytes.size());
  const std::lock_guard lock(conversion.facts_mutex);
  conversion.facts.add(loss);
}

make::Tasks make_tasks(Conversion& conversion, ck::CheckpointOutput& output) {
  make::Tasks tasks;
  for (const Job& job : conversion.jobs) {
    if (job.copied != nullptr) {
      make::add_copy(tasks, job.copied->view, output, job.to);
      continue;
    }
    const ConstTensorView weight = conversion.source.tensor(job.layer + ".weight");
    // Small tensors first: they may need the weight, which the copying gives back to the system.
    tasks.push_back(
        {job.is_mapped ? 0 : weight.numel(), [&conversion, &job, &output] { write_layer(conversion, job, output); }});
    if (job.is_mapped) make::add_copy(tasks, weight, output, job.to);
  }
  return tasks;
}

void check_formats(const Checkpoint& source, const std::string& folder, CheckpointFormat to) {
  const std::string& from = source.folder();
  if (source.format() == CheckpointFormat::kFloat)
    throw Error(ErrorCode::kUnsupported, from + ": is a float model; a8w8 quantize makes a quantized one of it");
  if (to == CheckpointFormat::kFloat)
    throw Error(ErrorCode::kInvalidArgument, "format is float; allowed: msmodelslim, compressed-tensors");
  if (source.format() == to)
    throw Error(ErrorCode::kInvalidArgument, str_cat(from, ": is in format ", format_name(to), " already"));
  if (ck::resolved_target(from) == ck::resolved_target(folder))
    throw Error(ErrorCode::kInvalidArgument, from + ": is both what is read and what would be written");
}

CheckpointWriteOptions write_options(const std::string& from, const ConvertCheckpointOptions& options) {
  const std::string path = from + "/" + std::string(ck::kConfigFile);
  const std::string config = make::read_config(from);
  CheckpointWriteOptions result;
  result.format = options.format;
  result.max_part_bytes = options.max_part_bytes;
  result.durable = options.durable;
  if (!config.empty())
    result.extra_files.emplace_back(ck::kConfigFile, ck::remove_quantization_config(config, path));
  else if (options.format == CheckpointFormat::kCompressedTensors)
    throw Error(ErrorCode::kNotFound, path +
                                          ": is needed, since the scheme of a compressed-tensors checkpoint stands "
                                          "there; copy it from the float model");
  return result;
}

}  // namespace

ConvertCheckpointReport convert_checkpoint(const std::string& from, const std::string& folder,
                                           const ConvertCheckpointOptions& options) {
  const Checkpoint source = Checkpoint::open(from);
  check_formats(source, folder, options.format);
  Conversion conversion{source, {options.format, model_dtype_of(source)}};
  if (options.format == CheckpointFormat::kCompressedTensors) find_biases_inside(conversion, options.num_threads);
  make_plan(conversion);
  ck::CheckpointOutput output(folder, conversion.plan, write_options(from, options));
  for (const std::string& name : make::companion_files(from)) output.copy_file(from + "/" + name, name);
  make::run_tasks(make_tasks(conversion, output), options.num_threads, options.progress);
  output.commit(true);

  ConvertCheckpointReport report;
  report.from = source.format();
  report.to = options.format;
  report.written_bytes = output.bytes();
  for (const ck::PlannedTensor& tensor : conversion.plan) {
    if (tensor.dtype != DType::kI8 || ck::layer_of_weight(tensor.name).empty()) continue;
    if (tensor.quant_type == ck::kStaticType) ++report.static_layers;
    if (tensor.quant_type == ck::kDynamicType) ++report.dynamic_layers;
  }
  make::describe(conversion.facts, report);
  return report;
}

}  // namespace a8w8
