// How a driver hands its tasks to threads.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

#include "a8w8/context.h"

namespace a8w8 {

// One worker's tasks, begin .. end - 1: the owner takes the first, others the last. A cache line each.
class alignas(64) TaskRange {
 public:
  TaskRange(int64_t begin, int64_t end) : range_(pack(begin, end)) {}

  // A task, or -1.
  int64_t take_first() {
    uint64_t range = range_.load(std::memory_order_relaxed);
    while (begin_of(range) < end_of(range)) {
      const int64_t first = begin_of(range);
      if (range_.compare_exchange_weak(range, pack(first + 1, end_of(range)), std::memory_order_relaxed)) return first;
    }
    return -1;
  }
  int64_t take_last() {
    uint64_t range = range_.load(std::memory_order_relaxed);
    while (begin_of(range) < end_of(range)) {
      const int64_t last = end_of(range) - 1;
      if (range_.compare_exchange_weak(range, pack(begin_of(range), last), std::memory_order_relaxed)) return last;
    }
    return -1;
  }

 private:
  static uint64_t pack(int64_t begin, int64_t end) {
    return static_cast<uint64_t>(begin) << 32 | static_cast<uint64_t>(end);
  }
  static int64_t begin_of(uint64_t range) { return static_cast<int64_t>(range >> 32); }
  static int64_t end_of(uint64_t range) { return static_cast<int64_t>(range & 0xffffffff); }

  std::atomic<uint64_t> range_;
};

// Calls task(t, worker) for t = 0 .. tasks - 1 < 2^32 on `workers` threads. A worker goes through a range of
// neighbouring tasks, so that it reads on where it stopped, and then helps the others. If they are several, each has a
// copy of `task` on its own stack: what one thread reads for each tile must not lie beside what another one writes.
// `ranges` is room for as many TaskRange.
template <class Task>
void share_out(ExecutionContext& ctx, int workers, int64_t tasks, std::byte* ranges, Task&& task) {
  if (workers == 1) {
    for (int64_t t = 0; t < tasks; ++t) task(t, 0);
    return;
  }
  TaskRange* const range = reinterpret_cast<TaskRange*>(ranges);
  for (int w = 0; w < workers; ++w) new (range + w) TaskRange(tasks * w / workers, tasks * (w + 1) / workers);
  ctx.parallel_for(workers, [&](int64_t worker) {
    std::decay_t<Task> own = task;
    for (int64_t t; (t = range[worker].take_first()) >= 0;) own(t, worker);
    for (int i = 1; i < workers; ++i) {
      TaskRange& other = range[(worker + i) % workers];
      for (int64_t t; (t = other.take_last()) >= 0;) own(t, worker);
    }
  });
}

}  // namespace a8w8
