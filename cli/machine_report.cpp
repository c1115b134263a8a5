#include "cli/machine_report.h"

#include <algorithm>

#include "a8w8/isa.h"

namespace a8w8::cli {

void Machine::measure(const std::vector<int>& threads, Contexts& contexts) {
  std::vector<int> counts = threads;
  counts.push_back(1);
  std::sort(counts.begin(), counts.end());
  counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
  for (const int count : counts) {
    const MachineLimits now = measure_machine(contexts.with(count));
    MachineLimits& best = limits_[count];
    best.kernel = now.kernel;
    best.peak_int8_gops = std::max(best.peak_int8_gops, now.peak_int8_gops);
    best.read_gbps = std::max(best.read_gbps, now.read_gbps);
  }
}

nlohmann::json Machine::json() const {
  const auto& [threads, all] = *limits_.rbegin();
  const MachineLimits& one = limits(1);
  const CacheBytes caches = cache_bytes();
  nlohmann::json by_threads;
  for (const auto& [count, l] : limits_) {
    by_threads[std::to_string(count)] = {{"peak_int8_gops", l.peak_int8_gops}, {"read_gbps", l.read_gbps}};
  }
  return {{"cpu", cpu_name()},
          {"isa", isa_name(list(usable_isas()).back())},
          {"threads", threads},
          {"peak_kernel", all.kernel},
          {"peak_int8_gops", all.peak_int8_gops},
          {"peak_int8_gops_1", one.peak_int8_gops},
          {"read_gbps", all.read_gbps},
          {"read_gbps_1", one.read_gbps},
          {"caches", {{"l1d", caches.l1d}, {"l2", caches.l2}, {"l3", caches.l3}}},
          {"by_threads", by_threads}};
}

}  // namespace a8w8::cli
