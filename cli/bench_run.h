// Checks, times and reports cases: the part that all benchmarks share.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/bench_case.h"
#include "cli/machine_report.h"
#include "cli/timing.h"

namespace a8w8::cli {

struct BenchOptions {
  std::vector<int> threads = {};
  TimingOptions timing = {};
  std::string json_file = "";  //  "": none; "-": stdout, in place of the table
};

// A case and what came out.
struct Row {
  Case what;
  Timing timing;
  std::string wrong;     // not timed: the answer is wrong, and how
  std::string baseline;  // name of the case it is compared with
  double speedup = 0;    // how many times as fast as that
  // From the lower quartile; of the machine's limits for the same number of threads.
  double gops = 0, gbps = 0, of_peak = 0, of_bandwidth = 0;
};

// Runs one group after the other. Returns kOk, or kProblemFound if an answer was wrong, which is told on stderr. So is
// (machine.disturbed in the JSON) a row beyond the measured limits: the machine was not idle.
int run_bench(const std::vector<MakeGroup>& groups, const BenchOptions& options, Contexts& contexts);

std::vector<Row> run_group(const Group& group, const TimingOptions& options);
void relate_to_limits(Row& row, const Machine& machine);

// {name, op, m, n, k, batch, out, isa, kernel, weights, cold, threads, and if the answer is right: median_ns,
// lower_quartile_ns, best_ns, calls, gops, gbps, of_peak, of_bandwidth, and where there is one, baseline and speedup;
// else: wrong}
nlohmann::json to_json(const Row& row);

}  // namespace a8w8::cli
