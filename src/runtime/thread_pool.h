// The built-in threads of an ExecutionContext.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "a8w8/context.h"

namespace a8w8 {

// The caller and num_threads - 1 workers. One job at a time, from one caller at a time. Idle workers spin for some tens
// of microseconds, since the next call of a model usually comes within that time, and then sleep.
class ThreadPool {
 public:
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  void run(int64_t tasks, FunctionRef<void(int64_t)> task);

 private:
  void work();
  bool run_one(uint64_t seen);

  // Job number in the upper half, tasks not yet taken in the lower: one word, so that a worker that wakes late can
  // never take a task of one job and run it with the function of another.
  std::atomic<uint64_t> state_{0};
  std::atomic<int64_t> unfinished_{0};
  std::atomic<bool> stop_{false};
  const FunctionRef<void(int64_t)>* task_ = nullptr;  // valid while unfinished_ > 0
  std::vector<std::thread> workers_;
};

}  // namespace a8w8
