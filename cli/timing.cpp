#include "cli/timing.h"

#include <algorithm>
#include <chrono>

namespace a8w8::cli {
namespace {

using Clock = std::chrono::steady_clock;

// Reading the clock takes some 25 ns: a quarter of a percent.
constexpr double kMinSampleNs = 10e3;

double ns_since(Clock::time_point start) {
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

double sample(const std::function<void()>& call, int64_t times) {
  const auto start = Clock::now();
  for (int64_t i = 0; i < times; ++i) call();
  return ns_since(start);
}

int64_t calls_per_sample(const std::function<void()>& call) {
  call();
  int64_t times = 1;
  while (sample(call, times) < kMinSampleNs) times *= 2;
  return times;
}

}  // namespace

std::vector<Timing> time_calls(const std::vector<std::function<void()>>& calls, const TimingOptions& options) {
  std::vector<int64_t> times;
  for (const auto& call : calls) times.push_back(calls_per_sample(call));

  const double turn_ns = options.seconds * 1e9 / kRounds;
  std::vector<std::vector<double>> samples(calls.size());
  for (int round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < calls.size(); ++i) {
      calls[i]();
      const auto start = Clock::now();
      do {
        samples[i].push_back(sample(calls[i], times[i]) / static_cast<double>(times[i]));
      } while (ns_since(start) < turn_ns);
    }
  }
  std::vector<Timing> timings;
  for (size_t i = 0; i < calls.size(); ++i) timings.push_back(summarize(std::move(samples[i]), times[i]));
  return timings;
}

Timing summarize(std::vector<double> ns, int64_t calls_per_sample) {
  std::sort(ns.begin(), ns.end());
  return {ns[ns.size() / 2], ns[ns.size() / 4], ns.front(), static_cast<int64_t>(ns.size()) * calls_per_sample};
}

}  // namespace a8w8::cli
