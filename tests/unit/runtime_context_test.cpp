// ExecutionContext: every task runs exactly once, on any number of threads, with any threads.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "a8w8/context.h"
#include "a8w8/status.h"

namespace a8w8 {
namespace {

void expect_each_task_once(ExecutionContext& ctx, int64_t tasks) {
  std::vector<std::atomic<int>> runs(static_cast<size_t>(tasks));
  ctx.parallel_for(tasks, [&](int64_t t) { runs[static_cast<size_t>(t)].fetch_add(1); });
  for (const auto& count : runs) ASSERT_EQ(count.load(), 1);
}

TEST(Context, RunsEachTaskOnce) {
  for (int threads : {1, 2, 3, 7}) {
    ExecutionContext ctx(threads);
    EXPECT_EQ(ctx.num_threads(), threads);
    for (int64_t tasks : {0, 1, 2, 3, 100, 1000}) expect_each_task_once(ctx, tasks);
  }
}

TEST(Context, SurvivesManyShortJobs) {
  ExecutionContext ctx(4);
  std::atomic<int64_t> sum{0};
  for (int i = 0; i < 20000; ++i) ctx.parallel_for(3, [&](int64_t t) { sum.fetch_add(t); });
  EXPECT_EQ(sum.load(), 20000 * 3);
}

TEST(Context, ManyContextsAtOnce) {
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([] {
      ExecutionContext ctx(2);
      for (int j = 0; j < 200; ++j) expect_each_task_once(ctx, 17);
    });
  }
  for (std::thread& caller : callers) caller.join();
}

TEST(Context, UsesTheCallersThreads) {
  int calls = 0;
  ExecutionContext ctx(5, [&](int64_t tasks, FunctionRef<void(int64_t)> task) {
    ++calls;
    for (int64_t t = tasks - 1; t >= 0; --t) task(t);
  });
  expect_each_task_once(ctx, 9);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(ctx.num_threads(), 5);
  ctx.set_num_threads(2);
  EXPECT_EQ(ctx.num_threads(), 2);
}

TEST(Context, RefusesNoThreads) {
  EXPECT_THROW(ExecutionContext(0), Error);
  EXPECT_THROW(ExecutionContext(2).set_num_threads(3), Error);
}

TEST(Context, ScratchIsAlignedAndReused) {
  ExecutionContext ctx(1);
  std::byte* first = ctx.scratch(1000);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 64, 0u);
  EXPECT_EQ(ctx.scratch(10), first);
  std::byte* larger = ctx.scratch(100000);
  larger[99999] = std::byte{1};
  ExecutionContext moved = std::move(ctx);
  EXPECT_EQ(moved.scratch(100000), larger);
}

}  // namespace
}  // namespace a8w8
