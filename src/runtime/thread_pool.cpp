#include "runtime/thread_pool.h"

namespace a8w8 {
namespace {

constexpr uint64_t kTasksMask = 0xffffffff;
constexpr int kSpins = 2000;  // of about 40 cycles each

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Returns the value once it differs from `old`: spins, then sleeps.
template <class T>
T wait_for_change(const std::atomic<T>& value, T old) {
  for (int i = 0; i < kSpins; ++i) {
    const T now = value.load(std::memory_order_acquire);
    if (now != old) return now;
    pause();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace

ThreadPool::ThreadPool(int num_threads) {
  for (int i = 1; i < num_threads; ++i) workers_.emplace_back([this] { work(); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_relaxed);
  state_.fetch_add(kTasksMask + 1, std::memory_order_release);
  state_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(int64_t tasks, FunctionRef<void(int64_t)> task) {
  if (tasks <= 1 || workers_.empty()) {
    for (int64_t i = 0; i < tasks; ++i) task(i);
    return;
  }
  task_ = &task;
  unfinished_.store(tasks, std::memory_order_relaxed);
  const uint64_t job = (state_.load(std::memory_order_relaxed) & ~kTasksMask) + kTasksMask + 1;
  state_.store(job | static_cast<uint64_t>(tasks), std::memory_order_release);
  state_.notify_all();
  while (run_one(state_.load(std::memory_order_acquire))) {
  }
  for (int64_t left; (left = unfinished_.load(std::memory_order_acquire)) != 0;) wait_for_change(unfinished_, left);
}

// Takes a task, if `seen` has one left, and runs it. False if there was none.
bool ThreadPool::run_one(uint64_t seen) {
  while ((seen & kTasksMask) != 0) {
    if (!state_.compare_exchange_weak(seen, seen - 1, std::memory_order_acquire)) continue;
    // The job cannot end before this task does, so task_ is this job's.
    (*task_)(static_cast<int64_t>((seen & kTasksMask) - 1));
    if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_one();
    return true;
  }
  return false;
}

void ThreadPool::work() {
  uint64_t seen = 0;
  while (!stop_.load(std::memory_order_relaxed)) {
    if (run_one(state_.load(std::memory_order_acquire))) continue;
    seen = state_.load(std::memory_order_acquire);
    if ((seen & kTasksMask) == 0 && !stop_.load(std::memory_order_relaxed)) wait_for_change(state_, seen);
  }
}

}  // namespace a8w8
