#include <algorithm>
#include <atomic>
#include <chrono>
#include <vector>

#include "a8w8/context.h"
#include "a8w8/machine.h"
#include "cpu/cache_info.h"
#include "kernels/registry.h"
#include "machine/read_buffer.h"

namespace a8w8 {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

// Lets each thread do its work at the same time as the others, and returns how long that took from the first to start
// to the last to end. Threads wait until all are there, since another program may keep one from waking; not for ever,
// since a context may have fewer threads than it says, and then it counts that they work one after the other.
double seconds_together(ExecutionContext& ctx, FunctionRef<void(int64_t)> work) {
  constexpr std::chrono::milliseconds kPatience{5};
  const int threads = ctx.num_threads();
  std::atomic<int> arrived{0};
  std::vector<Clock::time_point> begins(static_cast<size_t>(threads)), ends(begins);
  ctx.parallel_for(threads, [&](int64_t thread) {
    arrived.fetch_add(1, std::memory_order_relaxed);
    const auto deadline = Clock::now() + kPatience;
    while (arrived.load(std::memory_order_relaxed) < threads && Clock::now() < deadline) {
    }
    begins[static_cast<size_t>(thread)] = Clock::now();
    work(thread);
    ends[static_cast<size_t>(thread)] = Clock::now();
  });
  return seconds_between(*std::min_element(begins.begin(), begins.end()), *std::max_element(ends.begin(), ends.end()));
}

// Runs that are short enough to find a moment without disturbance.
double measure_peak(const PeakKernel& kernel, ExecutionContext& ctx) {
  constexpr double kRunSeconds = 0.5e-3;
  constexpr int kRuns = 30;
  int32_t seed = 0x11223344;
  int64_t steps = 1 << 10;
  for (double seconds = 0; seconds < kRunSeconds; steps *= 2) {
    const auto start = Clock::now();
    kernel.run(steps, &seed);
    seconds = seconds_between(start, Clock::now());
  }
  const int64_t multiply_adds = kernel.run(1, &seed) * steps * ctx.num_threads();
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    const double seconds = seconds_together(ctx, [&](int64_t thread) {
      int32_t own_seed = seed + static_cast<int32_t>(thread);
      kernel.run(steps, &own_seed);
    });
    best = std::max(best, 2e-9 * static_cast<double>(multiply_adds) / seconds);
  }
  return best;
}

double measure_read(const PeakKernel& kernel, ExecutionContext& ctx, int64_t cache_bytes) {
  constexpr int kPasses = 2;
  const ReadBuffer buffer(cache_bytes, ctx);
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    for (const ReadPattern& pattern : kReadPatterns) {
      std::atomic<int64_t> next{0};
      const double seconds = seconds_together(ctx, [&](int64_t) {
        for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < buffer.tasks();)
          buffer.read(kernel, pattern, task);
      });
      best = std::max(best, 1e-9 * static_cast<double>(buffer.tasks() * ReadBuffer::kTaskBytes) / seconds);
    }
  }
  return best;
}

}  // namespace

MachineLimits measure_machine(ExecutionContext& ctx) {
  const PeakKernel& kernel = select_peak(ctx.isas());
  MachineLimits limits;
  limits.kernel = kernel.name;
  limits.peak_int8_gops = measure_peak(kernel, ctx);
  limits.read_gbps = measure_read(kernel, ctx, cache_sizes().l3);
  limits.peak_int8_gops = std::max(limits.peak_int8_gops, measure_peak(kernel, ctx));  // some time later
  return limits;
}

CacheBytes cache_bytes() {
  const CacheSizes& sizes = cache_sizes();
  return {sizes.l1d, sizes.l2, sizes.l3};
}

}  // namespace a8w8
