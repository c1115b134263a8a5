// Runs random problems on every instruction set of this machine and compares each element of each result with the
// reference, bit for bit.
//
//   VerifyOptions options;
//   const VerifyReport report = verify(options);
//   puts(verify_table(report).c_str());
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "a8w8/isa.h"
#include "cli/verify_problem.h"

namespace a8w8::cli {

// How a problem is carried out: the library's call, or what a test puts in its place.
using RunProblem = std::function<void(const Problem&, ExecutionContext&, std::span<Result>)>;

struct VerifyOptions {
  double seconds = 5;      // new problems are begun until then; every op gets at least a few
  int64_t problems = 0;    // of each op; above 0: so many, whatever the time
  uint64_t seed = 1;       // problem i of each op has seed + i
  std::optional<Isa> isa;  // only this one
  std::string op;          // only this one
  int threads = 0;         // above 0: only with so many
  bool progress = true;
  RunProblem run = [](const Problem& problem, ExecutionContext& ctx, std::span<Result> out) { problem.run(ctx, out); };
};

// One op on one instruction set.
struct VerifyRow {
  std::string isa, op;
  int64_t problems = 0, elements = 0, differences = 0;  // of elements; a write beside a result counts as one
};

// The first element of a result that is not what it must be.
struct Difference {
  std::string isa, op, what;
  int threads;
  uint64_t seed;
  std::string element;  // "(3, 17)", or "" for a write beside the result
  std::string expected, got;

  std::string reproducer() const;  // the command line that shows this problem again
};

struct VerifyReport {
  uint64_t seed = 0;
  double seconds = 0;
  int threads = 1;  // all that were tried: 1 to this
  std::vector<VerifyRow> rows;
  std::vector<Difference> differences;  // one a problem and instruction set, the first kMaxDifferences
  int64_t differing_problems = 0;

  static constexpr size_t kMaxDifferences = 20;
  bool ok() const { return differing_problems == 0; }
  nlohmann::json json() const;
};

// Throws Error if the machine lacks options.isa, or an op of that name is not known.
VerifyReport verify(const VerifyOptions& options);

std::string verify_table(const VerifyReport& report);
// What differs, each with its reproducer; empty if nothing does.
std::string verify_differences(const VerifyReport& report);

}  // namespace a8w8::cli
