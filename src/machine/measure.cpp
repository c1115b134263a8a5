#include <algorithm>
#include <chrono>
#include <cstring>

#include "a8w8/context.h"
#include "a8w8/machine.h"
#include "base/math.h"
#include "cpu/cache_info.h"
#include "kernels/registry.h"
#include "machine/large_buffer.h"

namespace a8w8 {
namespace {

double seconds_of(FunctionRef<void()> work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// One task a thread, all of the same length, which is long enough for threads to wake and short enough to find a moment
// without disturbance.
double measure_peak(const PeakKernel& kernel, ExecutionContext& ctx) {
  constexpr double kRunSeconds = 1e-3, kTotalSeconds = 20e-3;
  int32_t seed = 0x11223344;
  int64_t steps = 1 << 10;
  while (seconds_of([&] { kernel.run(steps, &seed); }) < kRunSeconds) steps *= 2;

  double best = 0;
  for (double spent = 0; spent < kTotalSeconds;) {
    const int64_t multiply_adds = kernel.run(1, &seed) * steps * ctx.num_threads();
    const double seconds = seconds_of([&] {
      ctx.parallel_for(ctx.num_threads(), [&](int64_t thread) {
        int32_t own_seed = seed + static_cast<int32_t>(thread);
        kernel.run(steps, &own_seed);
      });
    });
    best = std::max(best, 2e-9 * static_cast<double>(multiply_adds) / seconds);
    spent += seconds;
  }
  return best;
}

struct Pattern {
  int64_t streams, ahead;
};
// Hardware follows one stream well on some machines, several on others; requests ahead help or hinder.
constexpr Pattern kPatterns[] = {{1, 0}, {1, 4096}, {2, 0}, {2, 2048}, {4, 0}, {4, 1024}, {8, 0}, {8, 1024}};

double measure_read(const PeakKernel& kernel, ExecutionContext& ctx, int64_t cache_bytes) {
  constexpr int kPasses = 2;
  constexpr int64_t kTaskBytes = 4 << 20, kMinBytes = 256 << 20, kMaxBytes = int64_t{2} << 30;
  // At four times the last level some of it is still there in the next pass (42 GB/s in place of 36 on a Zen 4).
  const int64_t bytes = round_up(std::clamp(8 * cache_bytes, kMinBytes, kMaxBytes), kTaskBytes);
  const LargeBuffer buffer(bytes);
  const auto task_data = [&](int64_t task) { return buffer.data() + task * kTaskBytes; };
  const int64_t tasks = bytes / kTaskBytes;
  ctx.parallel_for(tasks,
                   [&](int64_t task) { std::memset(task_data(task), static_cast<int>(task % 100), kTaskBytes); });

  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    for (const Pattern& pattern : kPatterns) {
      const double seconds = seconds_of([&] {
        ctx.parallel_for(tasks, [&](int64_t task) {
          volatile uint64_t seen = kernel.read(task_data(task), kTaskBytes, pattern.streams, pattern.ahead);
          static_cast<void>(seen);
        });
      });
      best = std::max(best, 1e-9 * static_cast<double>(bytes) / seconds);
    }
  }
  return best;
}

}  // namespace

MachineLimits measure_machine(ExecutionContext& ctx) {
  const PeakKernel& kernel = select_peak(ctx.isas());
  const CacheSizes& caches = cache_sizes();
  MachineLimits limits;
  limits.kernel = kernel.name;
  limits.peak_int8_gops = measure_peak(kernel, ctx);
  limits.read_gbps = measure_read(kernel, ctx, caches.l3);
  limits.peak_int8_gops = std::max(limits.peak_int8_gops, measure_peak(kernel, ctx));  // some time later
  limits.l1d_bytes = caches.l1d, limits.l2_bytes = caches.l2, limits.l3_bytes = caches.l3;
  return limits;
}

}  // namespace a8w8
