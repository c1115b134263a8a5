// The machine in words and figures, for `info` and beside every benchmark.
#pragma once

#include <map>
#include <nlohmann/json.hpp>

#include "a8w8/machine.h"
#include "cli/bench_case.h"

namespace a8w8::cli {

// Limits by number of threads: of the machine as it was at its best.
class Machine {
 public:
  // Measures for 1 thread and for each of `threads`; again, later: the better figures stay.
  void measure(const std::vector<int>& threads, Contexts& contexts);
  const MachineLimits& limits(int threads) const { return limits_.at(threads); }

  // {cpu, isa, threads, peak_kernel, peak_int8_gops, peak_int8_gops_1, read_gbps, read_gbps_1, caches {l1d, l2, l3},
  // by_threads {"1": {peak_int8_gops, read_gbps}, ...}}, the first figures for the largest number of threads.
  nlohmann::json json() const;

 private:
  std::map<int, MachineLimits> limits_;
};

}  // namespace a8w8::cli
