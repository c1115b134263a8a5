#include "cli/bench_run.h"

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>

#include "a8w8/status.h"
#include "cli/command.h"
#include "cli/terminal.h"

namespace a8w8::cli {
namespace {

// Other programs come and go, and with them the bandwidth: in a long run the limits are measured every few seconds, and
// the best figures stay.
constexpr std::chrono::seconds kBetweenLimits{4};

std::string percent(double ratio) { return ratio > 0 ? format_figure(100 * ratio) + "%" : "-"; }
std::string figure_or_dash(double value) { return value > 0 ? format_figure(value) : "-"; }
std::string microseconds(double ns) { return format_figure(ns * 1e-3, 4); }

std::string title(const Machine& machine) {
  const nlohmann::json m = machine.json();
  const int threads = m["threads"];
  std::string text = m["cpu"].get<std::string>() + ", " + m["isa"].get<std::string>() + "; at best " +
                     format_figure(m["peak_int8_gops_1"]) + " GOP/s and " + format_figure(m["read_gbps_1"]) +
                     " GB/s with 1 thread";
  if (threads > 1) {
    text += ", " + format_figure(m["peak_int8_gops"]) + " and " + format_figure(m["read_gbps"]) + " with " +
            std::to_string(threads);
  }
  return text;
}

std::string table(const std::vector<Row>& rows) {
  bool compared = false;
  for (const Row& row : rows) compared = compared || !row.baseline.empty();
  std::vector<std::vector<std::string>> cells = {{"op", "m", "n", "k", "variant", "threads", "median us", "quartile",
                                                  "best", "GOP/s", "of peak", "GB/s", "of read"}};
  if (compared) cells.front().push_back("speedup");
  for (const Row& row : rows) {
    const Case& c = row.what;
    const Timing& t = row.timing;
    cells.push_back({c.op, std::to_string(c.shape.m), std::to_string(c.shape.n), std::to_string(c.shape.k), c.variant,
                     std::to_string(c.threads)});
    if (!row.wrong.empty()) {
      cells.back().push_back("WRONG");
      continue;
    }
    cells.back().insert(cells.back().end(), {microseconds(t.median_ns), microseconds(t.lower_quartile_ns),
                                             microseconds(t.best_ns), figure_or_dash(row.gops), percent(row.of_peak),
                                             figure_or_dash(row.gbps), percent(row.of_bandwidth)});
    if (compared) cells.back().push_back(row.baseline.empty() ? "" : format_figure(row.speedup) + "x");
  }
  return format_table(cells);
}

// A limit of the machine that is timed in turn with cases.
struct Limit {
  int threads;
  bool reads;  // or multiplies
  double amount;
  std::function<void()> call;
};

std::vector<Limit> limits_beside(const Group& group, Probes& probes) {
  std::map<int, bool> cold;  // by number of threads
  for (const Case& c : group) {
    if (c.shape.n > 0) cold[c.threads] = cold[c.threads] || c.cold;
  }
  std::vector<Limit> limits;
  for (const auto& [threads, reads] : cold) {
    LimitProbe& probe = probes.with(threads);
    limits.push_back({threads, false, probe.operations(), [&probe] { probe.multiply(); }});
    if (reads) limits.push_back({threads, true, probe.bytes(), [&probe] { probe.read(); }});
  }
  return limits;
}

// What cannot be, but for other programs that slowed the measuring of the limits down more than that of the row.
bool is_beyond_limits(const Row& row) {
  constexpr double kTolerance = 1.02;
  return row.of_peak > kTolerance || (row.what.cold && row.of_bandwidth > kTolerance);
}

// Opened before the work: what cannot be written is better known at once.
class JsonFile {
 public:
  explicit JsonFile(const std::string& path) : path_(path) {
    if (path.empty() || is_stdout()) return;
    file_.open(path);
    if (!file_) throw Error(ErrorCode::kIo, "cannot write " + path);
  }
  bool is_stdout() const { return path_ == "-"; }
  void write(const nlohmann::json& json) {
    if (path_.empty()) return;
    std::ostream& out = is_stdout() ? std::cout : file_;
    out << json.dump(2) << std::endl;
    if (!out) throw Error(ErrorCode::kIo, "cannot write " + path_);
  }

 private:
  std::string path_;
  std::ofstream file_;
};

}  // namespace

std::vector<Row> run_group(const Group& group, const TimingOptions& options, Probes* probes) {
  std::vector<Row> rows;
  std::vector<std::function<void()>> calls;
  for (const Case& c : group) {
    Row& row = rows.emplace_back();
    row.what = c;
    if (auto wrong = c.wrong()) row.wrong = *wrong;
    if (row.wrong.empty()) calls.push_back(c.call);
  }
  const std::vector<Limit> limits = probes ? limits_beside(group, *probes) : std::vector<Limit>{};
  for (const Limit& limit : limits) calls.push_back(limit.call);
  const std::vector<Timing> timings = time_calls(calls, options);
  size_t next = 0;
  for (Row& row : rows) {
    if (row.wrong.empty()) row.timing = timings[next++];
  }
  for (const Limit& limit : limits) {
    const double reached = limit.amount / timings[next++].lower_quartile_ns;
    for (Row& row : rows) {
      if (row.what.threads == limit.threads) (limit.reads ? row.read_gbps : row.peak_gops) = reached;
    }
  }
  for (Row& row : rows) {
    if (!row.what.baseline || !row.wrong.empty() || !rows[*row.what.baseline].wrong.empty()) continue;
    const Row& baseline = rows[*row.what.baseline];
    row.baseline = baseline.what.name();
    row.speedup = baseline.timing.lower_quartile_ns / row.timing.lower_quartile_ns;
  }
  return rows;
}

void relate_to_limits(Row& row, const Machine& machine) {
  if (!row.wrong.empty()) return;
  const MachineLimits& limits = machine.limits(row.what.threads);
  row.gops = row.what.operations / row.timing.lower_quartile_ns;
  row.gbps = row.what.bytes / row.timing.lower_quartile_ns;
  row.of_peak = row.gops / (row.peak_gops > 0 ? row.peak_gops : limits.peak_int8_gops);
  row.of_bandwidth = row.gbps / (row.read_gbps > 0 ? row.read_gbps : limits.read_gbps);
}

nlohmann::json to_json(const Row& row) {
  const Case& c = row.what;
  nlohmann::json json = {{"name", c.name()},   {"op", c.op},           {"m", c.shape.m}, {"n", c.shape.n},
                         {"k", c.shape.k},     {"batch", c.batch},     {"out", c.out},   {"isa", c.isa},
                         {"kernel", c.kernel}, {"weights", c.weights}, {"cold", c.cold}, {"threads", c.threads}};
  if (!row.wrong.empty()) {
    json["wrong"] = row.wrong;
    return json;
  }
  json["median_ns"] = row.timing.median_ns;
  json["lower_quartile_ns"] = row.timing.lower_quartile_ns;
  json["best_ns"] = row.timing.best_ns;
  json["calls"] = row.timing.calls;
  json["gops"] = row.gops;
  json["gbps"] = row.gbps;
  json["of_peak"] = row.of_peak;
  json["of_bandwidth"] = row.of_bandwidth;
  if (row.peak_gops > 0) json["peak_gops_meanwhile"] = row.peak_gops;
  if (row.read_gbps > 0) json["read_gbps_meanwhile"] = row.read_gbps;
  if (!row.baseline.empty()) json["baseline"] = row.baseline, json["speedup"] = row.speedup;
  return json;
}

int run_bench(const std::vector<MakeGroup>& groups, const BenchOptions& options, Contexts& contexts) {
  JsonFile file(options.json_file);
  Machine machine;
  Probes probes(contexts);
  std::vector<Row> rows;
  {
    Progress progress(groups.size() + 1);
    progress.next("the machine's limits");
    machine.measure(options.threads, contexts);
    auto measured = std::chrono::steady_clock::now();
    for (const MakeGroup& make : groups) {
      const Group group = make();
      progress.next(group.front().op + " " + group.front().shape.str());
      for (Row& row : run_group(group, options.timing, &probes)) rows.push_back(std::move(row));
      for (Row& row : rows) row.what.call = nullptr, row.what.wrong = nullptr;  // and with them the operands
      if (std::chrono::steady_clock::now() - measured < kBetweenLimits) continue;
      machine.measure(options.threads, contexts);
      measured = std::chrono::steady_clock::now();
    }
  }
  int status = kOk;
  bool disturbed = false;
  nlohmann::json json_rows = nlohmann::json::array();
  for (Row& row : rows) {
    relate_to_limits(row, machine);
    disturbed = disturbed || is_beyond_limits(row);
    json_rows.push_back(to_json(row));
    if (row.wrong.empty()) continue;
    std::fprintf(stderr, "a8w8: %s gives a wrong answer: %s\n", row.what.name().c_str(), row.wrong.c_str());
    status = kProblemFound;
  }
  if (!file.is_stdout()) std::printf("%s\n%s", title(machine).c_str(), table(rows).c_str());
  if (disturbed) {
    std::fputs("a8w8: other programs are using this machine: its limits are higher than measured here\n", stderr);
  }
  nlohmann::json machine_json = machine.json();
  machine_json["disturbed"] = disturbed;
  file.write({{"version", A8W8_VERSION}, {"machine", machine_json}, {"rows", json_rows}});
  return status;
}

}  // namespace a8w8::cli
