// The work of making a checkpoint, cut into pieces that any thread can do in any order.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "a8w8/make_checkpoint.h"
#include "a8w8/tensor_view.h"
#include "checkpoint/checkpoint_output.h"

namespace a8w8::make {

struct Task {
  int64_t bytes;  // that it reads, for the progress
  std::function<void()> run;
};

using Tasks = std::vector<Task>;

// Bytes of input a task should read: enough for calls to the system to be cheap, and few beside any memory.
inline constexpr int64_t kTaskBytes = int64_t{4} << 20;

// Runs all tasks with this many threads (0: the default of ExecutionContext). The first exception ends it: tasks that
// have not begun are left out, and it is thrown here.
void run_tasks(const Tasks& tasks, int num_threads, const ProgressCallback& progress);

// Copies a contiguous view that lies in a mapped file and is read once, into tensor `index` of the output.
void add_copy(Tasks& tasks, const ConstTensorView& view, checkpoint::CheckpointOutput& output, size_t index);

// Memory of this thread for a task's results; valid until the thread's next call.
std::byte* task_buffer(size_t bytes);

}  // namespace a8w8::make
