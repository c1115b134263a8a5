// Files: safetensors, and msModelSlim checkpoints made of them.
//
//   Checkpoint checkpoint = Checkpoint::open("model-w8a8");                  // maps the weights, copies nothing
//   for (const std::string& layer : checkpoint.quantized_layers()) puts(layer.c_str());
//   ConstTensorView w = checkpoint.tensor("encoder.0.fc1.weight");          // int8 (n, k), where it lies in the file
//
// Every error is an a8w8::Error that names the file and the tensor: kNotFound, kCorrupt (the bytes contradict the
// format), kUnsupported (legal, but not for this library), kIo, and for what a caller wants to write kInvalidArgument.
#pragma once

#include <cstdint>
#include <memory>
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

// A tensor and its entry in quant_model_description.json: "FLOAT", "W8A8", "W8A8_DYNAMIC", ...
struct CheckpointTensor {
  std::string name;
  std::string quant_type;
  ConstTensorView view;
};

// An msModelSlim folder: quant_model_description*.json and the safetensors of the index, or else of the folder. Views
// live as long as any copy of the object does.
class Checkpoint {
 public:
  // Checks that description, index and tensors agree and that every W8A8 and W8A8_DYNAMIC layer is complete and sane,
  // and reports all it finds in one message. Layers of other types are kept as they are.
  static Checkpoint open(const std::string& folder);

  const std::string& folder() const;
  const std::vector<CheckpointTensor>& tensors() const;  // file by file, in the order of their bytes
  bool contains(const std::string& name) const;
  ConstTensorView tensor(const std::string& name) const;          // kNotFound if absent, naming near ones
  const std::string& quant_type(const std::string& layer) const;  // of <layer>.weight
  std::vector<std::string> quantized_layers() const;              // W8A8 and W8A8_DYNAMIC ones, in order

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

struct CheckpointWriteOptions {
  int64_t max_part_bytes = int64_t{4} << 30;
  // Small text files to put beside the weights: name (no folders) and contents, e.g. {"config.json", "{...}"}.
  std::vector<std::pair<std::string, std::string>> extra_files;
};

// Writes a v1 msModelSlim folder: quant_model_weights-0000x-of-0000n.safetensors, their index, the description. The
// folder appears whole or not at all. An existing folder is replaced only if it is empty or itself such a checkpoint.
// What Checkpoint::open would refuse is not written (kInvalidArgument).
void write_checkpoint(const std::string& folder, const std::vector<CheckpointTensor>& tensors,
                      const CheckpointWriteOptions& options = {});

}  // namespace a8w8
