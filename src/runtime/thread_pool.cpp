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

ThreadPool::ThreadPool(int num_threads) : own_(new Own[static_cast<size_t>(num_threads)]) {
  for (int i = 1; i < num_threads; ++i) workers_.emplace_back([this, i] { work(i); });
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
  const int threads = static_cast<int>(workers_.size()) + 1;
  const uint64_t job = (state_.load(std::memory_order_relaxed) >> 32) + 1;
  const int64_t shared = tasks > threads ? tasks - threads : 0;
  task_ = &task;
  unfinished_.store(tasks, std::memory_order_relaxed);
  for (int i = static_cast<int>(tasks - shared); i < threads; ++i)
    own_[i].taken_in.store(job, std::memory_order_relaxed);
  state_.store(job << 32 | static_cast<uint64_t>(shared), std::memory_order_release);
  state_.notify_all();

  run_task(0);
  while (run_shared()) {
  }
  for (int i = 1; i < threads; ++i) {
    if (take_own(i, job)) run_task(i);
  }
  for (int64_t left; (left = unfinished_.load(std::memory_order_acquire)) != 0;) wait_for_change(unfinished_, left);
}

// Whether the task of `thread` in this job is taken by this call. A job does not end before all of them are, so one
// that is over cannot be taken from.
bool ThreadPool::take_own(int thread, uint64_t job) {
  uint64_t last = own_[thread].taken_in.load(std::memory_order_relaxed);
  return last < job && own_[thread].taken_in.compare_exchange_strong(last, job, std::memory_order_acquire);
}

// Takes a shared task, if there is one left, and runs it.
bool ThreadPool::run_shared() {
  uint64_t seen = state_.load(std::memory_order_acquire);
  while ((seen & kTasksMask) != 0) {
    if (!state_.compare_exchange_weak(seen, seen - 1, std::memory_order_acquire)) continue;
    run_task(static_cast<int64_t>(workers_.size()) + static_cast<int64_t>(seen & kTasksMask));
    return true;
  }
  return false;
}

// The job cannot end before this task does, so task_ is this job's.
void ThreadPool::run_task(int64_t index) {
  (*task_)(index);
  if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_one();
}

void ThreadPool::work(int thread) {
  uint64_t last_job = 0;
  while (!stop_.load(std::memory_order_relaxed)) {
    const uint64_t seen = state_.load(std::memory_order_acquire), job = seen >> 32;
    if (job != last_job) {
      last_job = job;
      if (!stop_.load(std::memory_order_relaxed) && take_own(thread, job)) run_task(thread);
    } else if (!run_shared() && state_.load(std::memory_order_acquire) == seen) {
      wait_for_change(state_, seen);
    }
  }
}

}  // namespace a8w8
