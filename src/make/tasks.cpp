#include "make/tasks.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "a8w8/context.h"
#include "checkpoint/mapped_file.h"
#include "checkpoint/safetensors_header.h"

namespace a8w8::make {
namespace {

// Exceptions must not leave a task: threads of a pool have nobody to give them to.
class FirstException {
 public:
  bool is_there() const { return there_.load(std::memory_order_relaxed); }
  void keep(std::exception_ptr exception) {
    const std::lock_guard lock(mutex_);
    if (!exception_) exception_ = std::move(exception);
    there_ = true;
  }
  void rethrow() const {
    if (exception_) std::rethrow_exception(exception_);
  }

 private:
  std::atomic<bool> there_{false};
  std::mutex mutex_;
  std::exception_ptr exception_;
};

}  // namespace

void run_tasks(const Tasks& tasks, int num_threads, const ProgressCallback& progress) {
  ExecutionContext ctx = num_threads == 0 ? ExecutionContext() : ExecutionContext(num_threads);
  int64_t total = 0;
  for (const Task& task : tasks) total += task.bytes;
  const auto report = [&](int64_t done) {
    if (progress) progress({done, total});
  };
  std::atomic<int64_t> done{0};
  FirstException failure;
  const std::thread::id caller = std::this_thread::get_id();
  const auto run = [&](int64_t i) {
    if (failure.is_there()) return;
    try {
      tasks[static_cast<size_t>(i)].run();
      done += tasks[static_cast<size_t>(i)].bytes;
      if (std::this_thread::get_id() == caller) report(done);
    } catch (...) {
      failure.keep(std::current_exception());
    }
  };
  report(0);
  if (!tasks.empty()) ctx.parallel_for(static_cast<int64_t>(tasks.size()), run);
  failure.rethrow();
  report(total);
}

void add_copy(Tasks& tasks, const ConstTensorView& view, checkpoint::CheckpointOutput& output, size_t index) {
  const int64_t bytes = checkpoint::checked_bytes(view.sizes, view.dtype);
  for (int64_t begin = 0; begin < bytes; begin += kTaskBytes) {
    const auto count = static_cast<size_t>(std::min(kTaskBytes, bytes - begin));
    const std::byte* from = static_cast<const std::byte*>(view.data) + begin;
    tasks.push_back({static_cast<int64_t>(count), [&output, index, begin, from, count] {
                       output.write(index, begin, from, count);
                       checkpoint::release_pages(from, count);
                     }});
  }
}

std::byte* task_buffer(size_t bytes) {
  thread_local std::vector<std::byte> buffer;
  if (buffer.size() < bytes) buffer.resize(bytes);
  return buffer.data();
}

}  // namespace a8w8::make
