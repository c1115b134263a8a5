// Files: safetensors, and checkpoints made of them.
//
//   Checkpoint checkpoint = Checkpoint::open("model-w8a8");                  // maps the weights, copies nothing
//   for (const std::string& layer : checkpoint.quantized_layers()) puts(layer.c_str());
//   LayerParameters fc1 = checkpoint.layer("encoder.0.fc1");                // fc1.weight: int8 (n, k), where it lies
//
// Every error is an a8w8::Error that names the file and the tensor: kNotFound, kCorrupt (the bytes contradict the
// format), kUnsupported (legal, but not for this library), kIo, and for what a caller wants to write kInvalidArgument.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "a8w8/status.h"
#include "a8w8/tensor_view.h"

namespace a8w8 {

struct NamedTensor {
  std::string name;
  ConstTensorView view;
};

// A safetensors file, mapped read-only in effect: pages are private and copied if somebody writes to them. The mapping,
// and with it every view, lives as long as any copy of the object does.
class SafetensorsFile {
 public:
  // Checks the whole header. A dtype other than those of dtype.h or a rank above kMaxRank is refused here
  // (kUnsupported), not at access. Views are row-major and aligned to their dtype; a tensor that is misaligned in the
  // file is copied.
  static SafetensorsFile open(const std::string& path);

  const std::string& path() const;
  const std::vector<NamedTensor>& tensors() const;                           // in the order of their bytes
  const std::vector<std::pair<std::string, std::string>>& metadata() const;  // sorted by key
  const ConstTensorView* find(const std::string& name) const;                // null if absent
  ConstTensorView tensor(const std::string& name) const;                     // kNotFound if absent

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

// Writes the tensors (any strides; stored row-major) in the given order. Atomic: `path` is either as it was or the
// complete new file; errors (kIo) leave nothing behind. kInvalidArgument for an empty or repeated name.
void write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                       const std::vector<std::pair<std::string, std::string>>& metadata = {});

// A tensor and its type: "FLOAT", or as the description of an msModelSlim folder calls it, "W8A8", "W8A8_DYNAMIC", ...,
// or in a compressed-tensors folder what its config group comes to, "int8 dynamic", "int8 static", ...
struct CheckpointTensor {
  std::string name;
  std::string quant_type;
  ConstTensorView view;
};

enum class CheckpointFormat { kMsModelSlim, kCompressedTensors, kFloat };

const char* format_name(CheckpointFormat format);        // "msmodelslim", "compressed-tensors", "float"
CheckpointFormat parse_format(const std::string& name);  // kInvalidArgument for anything but the first two

// What a layer computes, whatever its file calls it: linear_static or linear_dynamic of linear_ops.h.
enum class LayerScheme { kStatic, kDynamic };

// kExact: the integer arithmetic of the checkpoint. kVllmAscend: with the roundings that vLLM-Ascend adds when it loads
// one: products of scales are taken in the model's dtype, and inputs are multiplied by a rounded reciprocal scale.
enum class Parity { kExact, kVllmAscend };

struct LayerOptions {
  Parity parity = Parity::kExact;
  std::optional<DType> model_dtype = std::nullopt;  // of kVllmAscend's roundings; by default that of config.json
  LayerScheme mix = LayerScheme::kDynamic;          // which side of a W8A8_MIX layer
};

// One quantized linear, normalized: roles and shapes are the same for every format. Views lie in the file, or in
// `owned` where a value had to be made: int4 that was packed, products of scales, corrections for a zero point. `owned`
// keeps the file mapped, too.
//
//   kDynamic  y = (x_q . weight^T) * weight_scale * ps + bias
//   kStatic   y = (x_q . weight^T + quant_bias) * deq_scale, + bias if adds_bias; else it is inside quant_bias
struct LayerParameters {
  std::string name;
  LayerScheme scheme = LayerScheme::kDynamic;
  std::string quant_type;
  ConstTensorView weight;                       // int8 (n, k)
  std::optional<ConstTensorView> weight_scale;  // dynamic: a float dtype (n, 1)
  std::optional<ConstTensorView> input_scale;   // static: a float dtype (1,)
  std::optional<ConstTensorView> input_offset;  // static: a float dtype or int8 (1,)
  std::optional<ConstTensorView> deq_scale;     // static: float32, or int64 holding its bits (n,)
  std::optional<ConstTensorView> quant_bias;    // static: int32 (n,)
  std::optional<ConstTensorView> bias;          // a float dtype (n,)
  bool adds_bias = false;
  std::shared_ptr<const void> owned;
};

// A folder with a model in it: msModelSlim's (v0, v1), compressed-tensors' with int8 or int4 weights, or a float one as
// Hugging Face lays it out. Views live as long as any copy of the object does.
class Checkpoint {
 public:
  // Checks that description or config, index and tensors agree and that every quantized layer is complete and sane, and
  // reports all it finds in one message. Nothing proportional to the weights is read or allocated. A scheme that cannot
  // be computed here is refused by its name (kUnsupported).
  static Checkpoint open(const std::string& folder);

  const std::string& folder() const;
  CheckpointFormat format() const;
  const std::string& scheme() const;                     // in one sentence
  const std::vector<std::string>& warnings() const;      // what is ignored, and what looks odd
  std::optional<DType> model_dtype() const;              // that config.json names, if it is a float dtype of ours
  const std::vector<CheckpointTensor>& tensors() const;  // file by file, in the order of their bytes
  bool contains(const std::string& name) const;
  ConstTensorView tensor(const std::string& name) const;          // kNotFound if absent, naming near ones
  const std::string& quant_type(const std::string& layer) const;  // of <layer>.weight
  std::vector<std::string> quantized_layers() const;              // in the order of their weights

  // Throws kNotFound for an unknown layer and kUnsupported for one that is not quantized. An int4 weight is unpacked,
  // and the sums that a zero point needs are taken, at each call.
  LayerParameters layer(const std::string& name, const LayerOptions& options = {}) const;
  // The layer that a tensor is part of: "a" for "a.deq_scale" if a is quantized; "" for a tensor that stands alone.
  std::string layer_of(const std::string& tensor) const;
  // Whether the tensor belongs to something that is read over with a warning: a quantized cache, quantized attention.
  bool is_ignored(const std::string& tensor) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

struct CheckpointWriteOptions {
  CheckpointFormat format = CheckpointFormat::kMsModelSlim;
  int64_t max_part_bytes = int64_t{4} << 30;
  // Wait until everything is on the disk. Otherwise that happens some time later, as with copied files, unless a folder
  // is replaced: the old one is only removed once the new one is safe.
  bool durable = true;
  // Small text files to put beside the weights: name (no folders) and contents, e.g. {"config.json", "{...}"}.
  std::vector<std::pair<std::string, std::string>> extra_files;
};

// Writes a v1 msModelSlim folder (quant_model_weights-0000x-of-0000n.safetensors, their index, the description), or a
// compressed-tensors one (model.safetensors, or parts with an index), whose config.json must be among the extra files
// and gets the "quantization_config". Tensors have the names of the format; quant_type is FLOAT, W8A8 (static) or
// W8A8_DYNAMIC for both. The folder appears whole or not at all. An existing folder is replaced only if it is empty or
// a checkpoint of one of the two formats. What Checkpoint::open would refuse is not written (kInvalidArgument).
void write_checkpoint(const std::string& folder, const std::vector<CheckpointTensor>& tensors,
                      const CheckpointWriteOptions& options = {});

}  // namespace a8w8
