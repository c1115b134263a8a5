// The built-in threads of an ExecutionContext.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "a8w8/context.h"

namespace a8w8 {

// The caller and num_threads - 1 workers. One job at a time, from one caller at a time. Idle workers spin for some tens
// of microseconds, since the next call of a model usually comes within that time, and then sleep.
//
// Task i < num_threads is thread i's, task 0 the caller's: from call to call a thread meets its own scratch and its
// part of the result, which are in its cache. The tasks beyond go to whoever is free. So does, in the end, a task whose
// thread has not woken yet.
class ThreadPool {
 public:
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  void run(int64_t tasks, FunctionRef<void(int64_t)> task);

 private:
  // Which job the task of a thread was last taken in; a cache line each.
  struct alignas(64) Own {
    std::atomic<uint64_t> taken_in{0};
  };

  void work(int thread);
  bool take_own(int thread, uint64_t job);
  bool run_shared();
  void run_task(int64_t index);

  // Job number in the upper half, shared tasks not yet taken in the lower: one word, so that a worker that wakes late
  // can never take a task of one job and run it with the function of another.
  std::atomic<uint64_t> state_{0};
  std::atomic<int64_t> unfinished_{0};
  std::atomic<bool> stop_{false};
  const FunctionRef<void(int64_t)>* task_ = nullptr;  // valid while unfinished_ > 0
  std::unique_ptr<Own[]> own_;
  std::vector<std::thread> workers_;
};

}  // namespace a8w8
