// Quantized checkpoints out of float ones, and out of each other. No model code is needed: tensors are streamed from
// folder to folder, by all cores, in memory that does not depend on their sizes.
//
//   QuantizeCheckpointReport report = quantize_checkpoint("model", "model-w8a8", {});
//   printf("%zu layers\n", report.quantized.size());
//   for (const std::string& loss : convert_checkpoint("model-w8a8", "model-ct", {.format = kCompressedTensors}).losses)
//     puts(loss.c_str());
//
// The folder that is written appears whole or not at all, whatever happens; see write_checkpoint (checkpoint.h) for
// which folders may be replaced. What a process leaves that is killed is removed by the next one with the same target.
// Errors name the file or folder, the tensor and the row.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "a8w8/checkpoint.h"

namespace a8w8 {

struct CheckpointProgress {
  int64_t done_bytes = 0;  // of the tensors that are read
  int64_t total_bytes = 0;
};

// Called now and then from the thread that made the call, and at the end. What it throws ends the work, leaves nothing
// behind, and comes out of the call.
using ProgressCallback = std::function<void(const CheckpointProgress&)>;

struct QuantizeCheckpointOptions {
  CheckpointFormat format = CheckpointFormat::kMsModelSlim;
  // Names of layers to leave float, or patterns with * ? [...] as fnmatch has them: "lm_head", "*.mlp.down_proj".
  std::vector<std::string> skip = {};
  int64_t max_part_bytes = int64_t{4} << 30;
  int num_threads = 0;   // 0: A8W8_NUM_THREADS, or all cores
  bool durable = false;  // as in CheckpointWriteOptions
  ProgressCallback progress = nullptr;
};

// A float matrix that was not quantized, and why.
struct KeptLayer {
  std::string name;
  std::string reason;
};

struct QuantizeCheckpointReport {
  std::vector<std::string> quantized;  // layers, in the order of the files
  std::vector<KeptLayer> kept;
  std::vector<std::string> warnings;
  int64_t read_bytes = 0, written_bytes = 0;  // of tensors
};

// Quantizes the linear layers of a Hugging Face folder of float32, bfloat16 or float16 weights to W8A8_DYNAMIC: int8
// rows with one scale each, inputs to be quantized as they come. Arithmetic is that of the format's own tool, in the
// dtype of each weight. Which tensors are linear layers is told by name and shape (docs/quantize_a_checkpoint.md):
// embeddings, the output head, norms, convolutions and the routers of experts stay as they are. config.json, the
// tokenizer's and other small files are copied.
//
// Throws kNotFound, kIo, kCorrupt for folders that cannot be read or written; kUnsupported for a model whose linear
// layers lie transposed (GPT-2 and its kin) or that is quantized already; kInvalidArgument for a weight with NaN or
// infinity, a pattern that matches no layer, and a model without any layer to quantize.
QuantizeCheckpointReport quantize_checkpoint(const std::string& float_folder, const std::string& folder,
                                             const QuantizeCheckpointOptions& options = {});

struct ConvertCheckpointOptions {
  CheckpointFormat format = CheckpointFormat::kMsModelSlim;
  int64_t max_part_bytes = int64_t{4} << 30;
  int num_threads = 0;
  bool durable = false;
  ProgressCallback progress = nullptr;
};

struct ConvertCheckpointReport {
  CheckpointFormat from = CheckpointFormat::kMsModelSlim;
  CheckpointFormat to = CheckpointFormat::kMsModelSlim;
  int64_t dynamic_layers = 0, static_layers = 0;
  std::vector<std::string> losses;  // each a sentence; empty if the result computes the same numbers
  std::vector<std::string> notes;   // what was derived, and how
  int64_t written_bytes = 0;        // of tensors
};

// Rewrites a quantized checkpoint in the other format. Weights are copied, never quantized anew; the scales and biases
// beside them are put into the words of the other format so that the same numbers are computed, and where that is not
// possible the report says so. Layers that are float stay float. Throws as quantize_checkpoint does.
ConvertCheckpointReport convert_checkpoint(const std::string& from, const std::string& folder,
                                           const ConvertCheckpointOptions& options);

}  // namespace a8w8
