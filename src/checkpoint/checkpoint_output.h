// Writing a checkpoint folder whose tensors are made while it is written: names, types and sizes come first, bytes in
// any order and from any thread.
//
//   CheckpointOutput output("model-w8a8", planned, options);
//   output.write(3, 0, bytes, count);               // the first `count` bytes of planned[3]
//   output.commit(true);                            // index, description, extra files; then the folder appears
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "a8w8/checkpoint.h"
#include "checkpoint/atomic_folder.h"
#include "checkpoint/output_files.h"
#include "checkpoint/part_file.h"

namespace a8w8::checkpoint {

// The folder's true path, so that a link to a folder, "." or a trailing slash name the folder itself.
std::string resolved_target(const std::string& folder);

// The folder is either as it was or complete, whatever happens. Memory does not depend on the sizes.
class CheckpointOutput {
 public:
  // Throws Error: kInvalidArgument for a plan or options that no checkpoint can have, and for a folder that must not be
  // replaced; kIo if the disk has too little room.
  CheckpointOutput(const std::string& folder, std::vector<PlannedTensor> plan, CheckpointWriteOptions options);

  const std::vector<PlannedTensor>& plan() const { return plan_; }
  int64_t bytes() const { return bytes_; }  // of all tensors

  // Bytes of tensor `index` of the plan from `offset` on; every byte once. Safe to call from several threads. Throws
  // Error(kIo).
  void write(size_t index, int64_t offset, const void* data, size_t bytes);
  // A file to lie beside the weights, copied as it is.
  void copy_file(const std::string& path, const std::string& name);
  // All bytes of all tensors have been written. If asked to, reads the folder back before it appears: what
  // Checkpoint::open refuses is kInvalidArgument.
  void commit(bool check_readable);

 private:
  void split();
  void require_room() const;
  void require_readable() const;

  std::vector<PlannedTensor> plan_;
  CheckpointWriteOptions options_;
  std::string target_;  // resolved
  int64_t bytes_ = 0;
  bool durable_ = true;
  std::vector<size_t> part_of_, entry_of_;  // of each tensor of the plan
  std::unique_ptr<AtomicFolder> output_;
  std::vector<std::unique_ptr<PartFile>> parts_;
};

}  // namespace a8w8::checkpoint
