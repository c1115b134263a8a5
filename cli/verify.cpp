#include "cli/verify.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "a8w8/half.h"
#include "a8w8/status.h"
#include "cli/answers.h"
#include "cli/terminal.h"

namespace a8w8::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kBatch = 16;      // problems whose references are computed at once, on all threads
constexpr int64_t kLeast = kBatch;  // of each op, however little time there is

// The contexts of one instruction set. Real pools with one thread and with all; for the numbers between, work is cut
// for so many threads and shared out over the pool of all, which saves starting hundreds of them.
struct IsaContexts {
  Isa isa;
  ExecutionContext one, all, lent;

  IsaContexts(Isa isa, int threads, ExecutionContext& pool)
      : isa(isa),
        one(1),
        all(threads),
        lent(threads, [&pool](int64_t tasks, FunctionRef<void(int64_t)> task) { pool.parallel_for(tasks, task); }) {
    for (ExecutionContext* ctx : {&one, &all, &lent}) ctx->set_max_isa(isa);
  }

  ExecutionContext& with(int threads) {
    if (threads == 1) return one;
    if (threads == all.num_threads()) return all;
    lent.set_num_threads(threads);
    return lent;
  }
};

std::vector<VerifyOp> chosen_ops(const std::string& name) {
  std::vector<VerifyOp> ops;
  std::string known;
  for (const VerifyOp& op : verify_ops()) {
    if (name.empty() || name == op.name) ops.push_back(op);
    known += (known.empty() ? "" : ", ") + std::string(op.name);
  }
  if (ops.empty()) throw Error(ErrorCode::kInvalidArgument, "op \"" + name + "\" must be one of " + known);
  return ops;
}

bool is_nan(const ConstTensorView& out, int64_t i) { return std::isnan(element_value(out, i)); }

// Bytes, but for NaNs: their sign and payload are the CPU's choice.
bool same(const ConstTensorView& a, const ConstTensorView& b, int64_t i) {
  const size_t size = dtype_size(a.dtype);
  const auto at = [&](const ConstTensorView& v) {
    return static_cast<const std::byte*>(v.data) + static_cast<size_t>(i) * size;
  };
  if (std::memcmp(at(a), at(b), size) == 0) return true;
  const bool is_float = a.dtype == DType::kF32 || a.dtype == DType::kF16 || a.dtype == DType::kBF16;
  return is_float && is_nan(a, i) && is_nan(b, i);
}

std::string place(const Dims& sizes, int64_t index) {
  Dims at = sizes;
  for (int d = sizes.rank() - 1; d >= 0; --d) at[d] = index % sizes[d], index /= sizes[d];
  return at.str();
}

std::string value_text(const ConstTensorView& out, int64_t i) {
  char text[64];
  std::snprintf(text, sizeof text, "%.9g", element_value(out, i));
  return text;
}

class Verification {
 public:
  explicit Verification(const VerifyOptions& options)
      : options_(options), ops_(chosen_ops(options.op)), threads_(pool_.num_threads()) {
    for (const Isa isa : options.isa ? std::vector<Isa>{*options.isa} : list(usable_isas())) {
      isas_.push_back(std::make_unique<IsaContexts>(isa, std::max(threads_, options.threads), pool_));
      for (const VerifyOp& op : ops_) report_.rows.push_back({isa_name(isa), op.name});
    }
    report_.seed = options.seed;
    report_.threads = options.threads > 0 ? options.threads : threads_;
  }

  VerifyReport run() {
    const Clock::time_point start = Clock::now();
    const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
    Progress progress(static_cast<size_t>(std::ceil(options_.seconds)));
    size_t shown = 0;
    int64_t done = 0;
    for (int64_t most = options_.problems > 0 ? options_.problems : INT64_MAX; done < most; done += kBatch) {
      if (options_.problems == 0 && done >= kLeast && elapsed() >= options_.seconds) break;
      for (size_t op = 0; op < ops_.size(); ++op) batch(op, done, std::min(kBatch, most - done));
      for (; options_.progress && shown < static_cast<size_t>(elapsed()); ++shown) progress.next(progress_text());
    }
    report_.seconds = elapsed();
    return std::move(report_);
  }

 private:
  // Problems first ... first + count - 1 of one op.
  void batch(size_t op, int64_t first, int64_t count) {
    std::vector<Problem> problems(static_cast<size_t>(count));
    std::vector<std::vector<Result>> expected(problems.size());
    pool_.parallel_for(count, [&](int64_t i) {
      const auto at = static_cast<size_t>(i);
      problems[at] = ops_[op].make(options_.seed + static_cast<uint64_t>(first + i));
      expected[at] = problems[at].results();
      problems[at].reference(expected[at]);
    });
    for (size_t i = 0; i < problems.size(); ++i) {
      const uint64_t seed = options_.seed + static_cast<uint64_t>(first) + i;
      for (size_t isa = 0; isa < isas_.size(); ++isa) {
        VerifyRow& row = report_.rows[isa * ops_.size() + op];
        ++row.problems;
        for (const int threads : thread_counts(seed)) check(problems[i], expected[i], *isas_[isa], threads, seed, row);
      }
    }
  }

  // One, and another number of which each has its turn.
  std::vector<int> thread_counts(uint64_t seed) const {
    if (options_.threads > 0) return {options_.threads};
    if (threads_ == 1) return {1};
    return {1, 2 + static_cast<int>(seed % static_cast<uint64_t>(threads_ - 1))};
  }

  void check(const Problem& problem, const std::vector<Result>& expected, IsaContexts& contexts, int threads,
             uint64_t seed, VerifyRow& row) {
    std::vector<Result> got = problem.results();
    options_.run(problem, contexts.with(threads), got);
    std::optional<Difference> first;
    const auto differs = [&](const std::string& element, const std::string& right, const std::string& wrong) {
      ++row.differences;
      if (!first) first = {row.isa, row.op, problem.what, threads, seed, element, right, wrong};
    };
    for (size_t r = 0; r < got.size(); ++r) {
      const ConstTensorView right = std::as_const(expected[r]).view(), wrong = std::as_const(got[r]).view();
      for (int64_t i = 0; i < right.numel(); ++i) {
        if (!same(right, wrong, i)) differs(place(right.sizes, i), value_text(right, i), value_text(wrong, i));
      }
      row.elements += right.numel();
      if (!got[r].margins_intact()) differs("", "nothing written beside the result", "written");
    }
    if (!first) return;
    ++report_.differing_problems;
    if (report_.differences.size() < VerifyReport::kMaxDifferences) report_.differences.push_back(*first);
  }

  std::string progress_text() const {
    int64_t problems = 0;
    for (const VerifyRow& row : report_.rows) problems += row.problems;
    return "s, " + std::to_string(problems) + " problems, " + std::to_string(report_.differing_problems) + " differ";
  }

  const VerifyOptions& options_;
  std::vector<VerifyOp> ops_;
  ExecutionContext pool_;
  int threads_;
  std::vector<std::unique_ptr<IsaContexts>> isas_;
  VerifyReport report_;
};

}  // namespace

VerifyReport verify(const VerifyOptions& options) { return Verification(options).run(); }

}  // namespace a8w8::cli
