// What a call may use of the machine: threads, instruction sets, scratch memory.
//
//   ExecutionContext ctx;                       // built-in pool, A8W8_NUM_THREADS or all cores
//   ExecutionContext one(1);                    // no pool at all
//   ExecutionContext mine(8, [&](int64_t tasks, FunctionRef<void(int64_t)> task) { my_pool.run(tasks, task); });
//
// A context serves one call at a time (its scratch is reused from call to call); any number of contexts may be used at
// once. Results never depend on the context.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "a8w8/isa.h"

namespace a8w8 {

template <class Signature>
class FunctionRef;

// A non-owning reference to a callable: two words, no allocation.
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, FunctionRef>>>
  FunctionRef(F&& f)
      : object_(const_cast<void*>(static_cast<const void*>(&f))), call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

class ThreadPool;

class ExecutionContext {
 public:
  // Calls task(0) ... task(tasks - 1), each once, in any order and on any threads, and returns when all are done.
  using ParallelFor = std::function<void(int64_t tasks, FunctionRef<void(int64_t)> task)>;

  // The built-in pool with A8W8_NUM_THREADS threads, or else as many as the process may use.
  ExecutionContext();
  // The built-in pool with this many threads, the caller's among them. Throws Error if num_threads < 1.
  explicit ExecutionContext(int num_threads);
  // The caller's threads: work is cut for num_threads of them.
  ExecutionContext(int num_threads, ParallelFor parallel_for);
  ~ExecutionContext();
  ExecutionContext(ExecutionContext&&) noexcept;
  ExecutionContext& operator=(ExecutionContext&&) noexcept;

  int num_threads() const { return num_threads_; }
  void set_num_threads(int num_threads);  // only with the caller's threads, whose number may change from call to call

  IsaSet isas() const { return isas_; }
  void set_max_isa(Isa cap);  // throws Error if this machine lacks it

  void parallel_for(int64_t tasks, FunctionRef<void(int64_t)> task);
  // 64-byte aligned, at least `bytes`, contents undefined; valid until the next call of scratch(). Throws
  // std::bad_alloc.
  std::byte* scratch(size_t bytes);

 private:
  int num_threads_;
  IsaSet isas_;
  ParallelFor parallel_for_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<std::byte[], void (*)(std::byte*)> scratch_;
  size_t scratch_bytes_ = 0;
};

}  // namespace a8w8
