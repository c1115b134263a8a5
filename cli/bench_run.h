// Checks, times and reports cases: the part that all benchmarks share.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "a8w8/machine.h"
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
  // From the lower quartile; of the machine's limits for the same number of threads: of what probes reached in turn
  // with the case, or where none did, of the best that was measured.
  double gops = 0, gbps = 0, of_peak = 0, of_bandwidth = 0;
  double peak_gops = 0, read_gbps = 0;  // the probes', 0 without
};

// A probe for each number of threads, kept.
class Probes {
 public:
  explicit Probes(Contexts& contexts) : contexts_(contexts) {}
  LimitProbe& with(int threads) { return probes_.try_emplace(threads, contexts_.with(threads)).first->second; }

 private:
  Contexts& contexts_;
  std::map<int, LimitProbe> probes_;
};

// Runs one group after the other. Returns kOk, or kProblemFound if an answer was wrong, which is told on stderr. So is
// (machine.disturbed in the JSON) a row beyond the measured limits: the machine was not idle.
int run_bench(const std::vector<MakeGroup>& groups, const BenchOptions& options, Contexts& contexts);

// With probes, the machine's limits take turns with products: the peak, and where weights are cold the bandwidth.
std::vector<Row> run_group(const Group& group, const TimingOptions& options, Probes* probes = nullptr);
void relate_to_limits(Row& row, const Machine& machine);

// {name, op, m, n, k, batch, out, isa, kernel, weights, cold, threads, and if the answer is right: median_ns,
// lower_quartile_ns, best_ns, calls, gops, gbps, of_peak, of_bandwidth, where there is one, baseline and speedup, and
// where probes took turns, peak_gops_meanwhile and read_gbps_meanwhile; else: wrong}
nlohmann::json to_json(const Row& row);

}  // namespace a8w8::cli
