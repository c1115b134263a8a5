// How long calls take.
//
//   const std::vector<std::function<void()>> calls = {[&] { ours(); }, [&] { theirs(); }};
//   const std::vector<Timing> t = time_calls(calls, TimingOptions{.seconds = 0.1});
//   printf("%g ns\n", t[0].lower_quartile_ns);
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace a8w8::cli {

struct Timing {
  double median_ns = 0;
  double lower_quartile_ns = 0;  // what comparisons use: little of what other programs do is in it, and little luck
  double best_ns = 0;
  int64_t calls = 0;
};

struct TimingOptions {
  double seconds = 0.15;  // for each call, warm-up aside
};

// The calls take turns, kRounds times, so that a machine that gets slower or faster does so for all of them. A turn
// begins with one call that is not measured: it brings back into the caches what the others drove out. Calls of a few
// microseconds are measured several at a time.
inline constexpr int kRounds = 5;
std::vector<Timing> time_calls(const std::vector<std::function<void()>>& calls, const TimingOptions& options);

// Of at least one sample.
Timing summarize(std::vector<double> ns, int64_t calls_per_sample);

}  // namespace a8w8::cli
