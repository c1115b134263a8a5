// Dynamic quantization of a float folder: plan the tensors of the result, then fill them row by row.
#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "a8w8/make_checkpoint.h"
#include "a8w8/status.h"
#include "base/str_cat.h"
#include "checkpoint/checkpoint_output.h"
#include "checkpoint/file_util.h"
#include "checkpoint/json_text.h"
#include "checkpoint/mapped_file.h"
#include "checkpoint/msmodelslim_format.h"
#include "make/choose_layers.h"
#include "make/row_quantizer.h"
#include "make/small_tensors.h"
#include "make/source_files.h"
#include "make/tasks.h"

namespace a8w8 {
namespace ck = checkpoint;
namespace {

using make::RowRecipe;
using Tensors = std::vector<CheckpointTensor>;

// msModelSlim's files have scales, offsets and biases in float32.
bool widens(const QuantizeCheckpointOptions& options) { return options.format == CheckpointFormat::kMsModelSlim; }

const RowRecipe& recipe_of(const QuantizeCheckpointOptions& options) {
  return options.format == CheckpointFormat::kCompressedTensors ? make::kCompressedTensors : make::kMsModelSlim;
}

// An input tensor and where its parts go in the plan.
struct Job {
  const CheckpointTensor* from;
  enum { kCopy, kWiden, kQuantize } what = kCopy;
  size_t to = 0;            // kQuantize: weight; then scale, and for msModelSlim offset
  bool has_offset = false;  // not to be told from the plan: a tensor of the float model may have that name
};

struct Plan {
  std::vector<ck::PlannedTensor> tensors;
  std::vector<Job> jobs;
};

Plan make_plan(const Tensors& tensors, const make::Choice& choice, const QuantizeCheckpointOptions& options) {
  const std::unordered_set<std::string> quantized(choice.quantized.begin(), choice.quantized.end());
  const std::string float_type(ck::kFloatType), type(ck::kDynamicType);
  Plan plan;
  for (const CheckpointTensor& tensor : tensors) {
    const ConstTensorView& view = tensor.view;
    const std::string layer = tensor.name.substr(0, std::min(tensor.name.rfind('.'), tensor.name.size()));
    const bool is_part = quantized.contains(layer);
    const DType small = widens(options) ? DType::kF32 : view.dtype;  // of scales, offsets and biases
    Job job{&tensor, Job::kCopy, plan.tensors.size()};
    if (is_part && tensor.name.ends_with(".weight")) {
      job.what = Job::kQuantize;
      plan.tensors.push_back({tensor.name, type, DType::kI8, view.sizes});
      plan.tensors.push_back({tensor.name + "_scale", type, small, {view.sizes[0], 1}});
      job.has_offset = options.format == CheckpointFormat::kMsModelSlim;
      if (job.has_offset) plan.tensors.push_back({layer + ".weight_offset", type, small, {view.sizes[0], 1}});
    } else {
      const bool widens = is_part && tensor.name.ends_with(".bias") && is_floating(view.dtype) && small != view.dtype;
      if (widens) job.what = Job::kWiden;
      plan.tensors.push_back({tensor.name, float_type, widens ? small : view.dtype, view.sizes});
    }
    plan.jobs.push_back(job);
  }
  return plan;
}

[[noreturn]] void refuse_row(const CheckpointTensor& tensor, int64_t row, const std::string& where) {
  const int64_t k = tensor.view.sizes[1];
  int64_t column = 0;
  while (column < k - 1 && std::isfinite(make::value_at(tensor.view, row * k + column))) ++column;
  const float value = make::value_at(tensor.view, row * k + column);
  throw Error(ErrorCode::kCorrupt, str_cat(where, ": tensor ", ck::quote(tensor.name), " has ",
                                           std::isnan(value) ? "NaN" : "infinity", " in row ", row, ", column ", column,
                                           "; weights must be finite. Likely cause: a damaged file, "
                                           "or a model trained or cast beyond the range of ",
                                           dtype_name(tensor.view.dtype)));
}

// Rows [begin, end) of a weight.
struct Rows {
  const CheckpointTensor& tensor;
  int64_t begin, end;
};

void quantize_rows(const Rows& rows, const RowRecipe& recipe, ck::CheckpointOutput& output, size_t to,
                   const std::string& where) {
  const ConstTensorView& view = rows.tensor.view;
  const int64_t k = view.sizes[1], count = rows.end - rows.begin;
  const int64_t row_bytes = k * static_cast<int64_t>(dtype_size(view.dtype));
  const std::byte* from = static_cast<const std::byte*>(view.data) + rows.begin * row_bytes;
  const DType scale_dtype = output.plan()[to + 1].dtype;
  const int64_t scale_bytes = static_cast<int64_t>(dtype_size(scale_dtype));

  std::byte* scales = make::task_buffer(static_cast<size_t>(count * (scale_bytes + k)));
  auto* out = reinterpret_cast<int8_t*>(scales + count * scale_bytes);
  for (int64_t i = 0; i < count; ++i) {
    const std::byte* row = from + i * row_bytes;
    const float largest = make::largest_magnitude(row, view.dtype, k);
    if (!std::isfinite(largest)) refuse_row(rows.tensor, rows.begin + i, where);
    const float scale = make::row_scale(largest, view.dtype, recipe);
    make::store_value(scales, i, scale, scale_dtype);
    make::quantize_row(row, view.dtype, k, scale, recipe.least, out + i * k);
  }
  output.write(to, rows.begin * k, out, static_cast<size_t>(count * k));
  output.write(to + 1, rows.begin * scale_bytes, scales, static_cast<size_t>(count * scale_bytes));
  ck::release_pages(from, static_cast<size_t>(count * row_bytes));
}

void write_zeros(ck::CheckpointOutput& output, size_t to) {
  const ck::PlannedTensor& tensor = output.plan()[to];
  const std::vector<std::byte> zeros(static_cast<size_t>(tensor.sizes.numel()) * dtype_size(tensor.dtype));
  output.write(to, 0, zeros.data(), zeros.size());
}

void write_widened(const ConstTensorView& view, ck::CheckpointOutput& output, size_t to) {
  const std::vector<std::byte> bytes = make::as_bytes(make::values_of(view), DType::kF32);
  output.write(to, 0, bytes.data(), bytes.size());
}

// `where` outlives the tasks, as do the output and the tensors.
make::Tasks make_tasks(const Plan& plan, const RowRecipe& recipe, ck::CheckpointOutput& output,
                       const std::string& where) {
  make::Tasks tasks;
  for (const Job& job : plan.jobs) {
    const CheckpointTensor& tensor = *job.from;
    const size_t to = job.to;
    if (job.what == Job::kCopy) {
      make::add_copy(tasks, tensor.view, output, to);
    } else if (job.what == Job::kWiden) {
      tasks.push_back({tensor.view.numel() * 2, [&tensor, &output, to] { write_widened(tensor.view, output, to); }});
    } else {
      const int64_t n = tensor.view.sizes[0];
      const int64_t row_bytes = tensor.view.sizes[1] * static_cast<int64_t>(dtype_size(tensor.view.dtype));
      const int64_t step = std::max<int64_t>(1, make::kTaskBytes / row_bytes);
      for (int64_t begin = 0; begin < n; begin += step) {
        const Rows rows{tensor, begin, std::min(begin + step, n)};
        tasks.push_back({(rows.end - begin) * row_bytes,
                         [rows, &recipe, &output, to, &where] { quantize_rows(rows, recipe, output, to, where); }});
      }
      if (job.has_offset) tasks.push_back({0, [&output, to] { write_zeros(output, to + 2); }});
    }
  }
  return tasks;
}

std::string usable_config(const std::string& folder, CheckpointFormat format, std::vector<std::string>& warnings) {
  const std::string path = folder + "/" + std::string(ck::kConfigFile);
  const std::string config = make::read_config(folder);
  if (config.empty() && format == CheckpointFormat::kCompressedTensors)
    throw Error(ErrorCode::kNotFound,
                path + ": is needed, since the scheme of a compressed-tensors checkpoint stands there");
  if (config.empty()) {
    warnings.push_back(path + " is missing; without it the result cannot be loaded as a model");
    return config;
  }
  if (const std::string type = make::transposed_model_type(config, path); !type.empty()) {
    throw Error(ErrorCode::kUnsupported, str_cat(path, ": models of type ", type,
                                                 " store the weights of their linear layers transposed (Conv1D), "
                                                 "which checkpoints of W8A8 cannot express"));
  }
  return config;
}

}  // namespace

QuantizeCheckpointReport quantize_checkpoint(const std::string& float_folder, const std::string& folder,
                                             const QuantizeCheckpointOptions& options) {
  const Checkpoint source = Checkpoint::open(float_folder);
  if (source.format() != CheckpointFormat::kFloat) {
    throw Error(ErrorCode::kUnsupported, str_cat(float_folder, ": is quantized already (", source.scheme(),
                                                 "); a8w8 convert changes its format"));
  }
  make::Choice choice = make::choose_layers(source.tensors(), options.skip, float_folder);
  const std::string config = usable_config(float_folder, options.format, choice.warnings);
  const Plan plan = make_plan(source.tensors(), choice, options);
  CheckpointWriteOptions write_options;
  write_options.format = options.format;
  write_options.max_part_bytes = options.max_part_bytes;
  write_options.durable = options.durable;
  if (!config.empty()) write_options.extra_files.emplace_back(ck::kConfigFile, config);

  ck::CheckpointOutput output(folder, plan.tensors, std::move(write_options));
  for (const std::string& name : make::companion_files(float_folder)) output.copy_file(float_folder + "/" + name, name);
  const make::Tasks tasks = make_tasks(plan, recipe_of(options), output, float_folder);
  make::run_tasks(tasks, options.num_threads, options.progress);
  output.commit(true);

  QuantizeCheckpointReport report{std::move(choice.quantized), std::move(choice.kept), std::move(choice.warnings), 0,
                                  output.bytes()};
  for (const make::Task& task : tasks) report.read_bytes += task.bytes;
  return report;
}

}  // namespace a8w8
