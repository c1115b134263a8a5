// How a driver hands its tasks to threads.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "a8w8/context.h"

namespace a8w8 {

// Lets `workers` threads take tasks 0 .. tasks - 1 one by one, each with a scratch of its own.
template <class Task>
void share_out(ExecutionContext& ctx, int workers, int64_t tasks, std::byte* scratch, size_t worker_bytes, Task task) {
  std::atomic<int64_t> next{0};
  ctx.parallel_for(workers, [&](int64_t worker) {
    std::byte* mine = scratch + static_cast<size_t>(worker) * worker_bytes;
    for (int64_t t; (t = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) task(t, mine);
  });
}

}  // namespace a8w8
