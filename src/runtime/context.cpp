#include "a8w8/context.h"

#include <algorithm>
#include <new>

#include "a8w8/status.h"
#include "base/env.h"
#include "base/str_cat.h"
#include "runtime/thread_pool.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace a8w8 {
namespace {

constexpr int kMaxThreads = 4096;
constexpr std::align_val_t kAlignment{64};

void free_scratch(std::byte* p) { ::operator delete[](p, kAlignment); }

// Cores that this process may run on: a container or taskset may allow fewer than the machine has.
int allowed_cores() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

int checked_threads(int num_threads) {
  if (num_threads < 1 || num_threads > kMaxThreads) {
    throw Error(ErrorCode::kInvalidArgument,
                str_cat("num_threads is ", num_threads, ", but must be from 1 to ", kMaxThreads));
  }
  return num_threads;
}

}  // namespace

ExecutionContext::ExecutionContext()
    : ExecutionContext(env_int("A8W8_NUM_THREADS", 1, kMaxThreads, std::min(allowed_cores(), kMaxThreads))) {}

ExecutionContext::ExecutionContext(int num_threads)
    : num_threads_(checked_threads(num_threads)),
      isas_(usable_isas()),
      pool_(std::make_unique<ThreadPool>(num_threads)),
      scratch_(nullptr, free_scratch) {}

ExecutionContext::ExecutionContext(int num_threads, ParallelFor parallel_for)
    : num_threads_(checked_threads(num_threads)),
      isas_(usable_isas()),
      parallel_for_(std::move(parallel_for)),
      scratch_(nullptr, free_scratch) {}

ExecutionContext::~ExecutionContext() = default;
ExecutionContext::ExecutionContext(ExecutionContext&&) noexcept = default;
ExecutionContext& ExecutionContext::operator=(ExecutionContext&&) noexcept = default;

void ExecutionContext::set_num_threads(int num_threads) {
  checked_threads(num_threads);
  if (pool_ && num_threads != num_threads_) {
    throw Error(ErrorCode::kInvalidArgument,
                "set_num_threads: the built-in pool has a fixed number of threads; make a new context");
  }
  num_threads_ = num_threads;
}

void ExecutionContext::set_max_isa(Isa cap) { isas_ = capped(usable_isas(), cap); }

void ExecutionContext::parallel_for(int64_t tasks, FunctionRef<void(int64_t)> task) {
  if (tasks == 1) return task(0);
  pool_ ? pool_->run(tasks, task) : parallel_for_(tasks, task);
}

std::byte* ExecutionContext::scratch(size_t bytes) {
  if (bytes > scratch_bytes_) {
    scratch_.reset();
    scratch_bytes_ = 0;
    scratch_.reset(new (kAlignment) std::byte[bytes]);
    scratch_bytes_ = bytes;
  }
  return scratch_.get();
}

}  // namespace a8w8
