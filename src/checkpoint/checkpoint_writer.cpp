// Writing a checkpoint whose tensors exist: checks them, then streams them into a CheckpointOutput.
#include "a8w8/checkpoint.h"
#include "a8w8/status.h"
#include "checkpoint/checkpoint_output.h"
#include "checkpoint/findings.h"
#include "checkpoint/msmodelslim_layers.h"
#include "checkpoint/safetensors_writer.h"

namespace a8w8 {
namespace ck = checkpoint;
namespace {

// What the reader would find wrong with the layers.
void check_layers(const std::vector<CheckpointTensor>& tensors, const std::string& folder) {
  ck::Findings findings;
  ck::check_quantized_layers(tensors, findings);
  if (const Status status = findings.status(folder); !status.ok())
    throw Error(ErrorCode::kInvalidArgument, status.message);
}

}  // namespace

void write_checkpoint(const std::string& folder, const std::vector<CheckpointTensor>& tensors,
                      const CheckpointWriteOptions& options) {
  std::vector<ck::PlannedTensor> plan;
  for (const CheckpointTensor& tensor : tensors) {
    ck::check_writable(tensor.name, tensor.view, folder);
    plan.push_back({tensor.name, tensor.quant_type, tensor.view.dtype, tensor.view.sizes});
  }
  if (options.format == CheckpointFormat::kMsModelSlim) check_layers(tensors, folder);
  ck::CheckpointOutput output(folder, std::move(plan), options);
  for (size_t i = 0; i < tensors.size(); ++i) {
    int64_t offset = 0;
    ck::for_each_piece(tensors[i].view, [&](const void* data, size_t bytes) {
      output.write(i, offset, data, bytes);
      offset += static_cast<int64_t>(bytes);
    });
  }
  output.commit(options.format == CheckpointFormat::kCompressedTensors);
}

}  // namespace a8w8
