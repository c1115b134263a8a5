// a8w8 verify: the kernels pass, and a kernel that is wrong does not.
#include "cli/verify.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "a8w8/status.h"

namespace a8w8::cli {
namespace {

VerifyOptions quick(int64_t problems) {
  VerifyOptions options;
  options.problems = problems;
  options.progress = false;
  return options;
}

// Flips the lowest bit of the last element of the first result, on one instruction set.
RunProblem wrong_on(Isa isa, const std::string& when = "") {
  return [=](const Problem& problem, ExecutionContext& ctx, std::span<Result> out) {
    problem.run(ctx, out);
    const TensorView view = out[0].view();
    auto* bytes = static_cast<std::byte*>(view.data);
    const bool hit = list(ctx.isas()).back() == isa && problem.what.find(when) != std::string::npos;
    if (hit) bytes[(view.numel() - 1) * static_cast<int64_t>(dtype_size(view.dtype))] ^= std::byte{1};
  };
}

TEST(Verify, ThisMachinesKernelsGiveTheReferencesBits) {
  const VerifyReport report = verify(quick(60));
  EXPECT_TRUE(report.ok()) << verify_differences(report);
  EXPECT_EQ(report.rows.size(), verify_ops().size() * list(usable_isas()).size());
  for (const VerifyRow& row : report.rows) {
    EXPECT_EQ(row.problems, 60);
    EXPECT_GT(row.elements, 0) << row.op;
    EXPECT_EQ(row.differences, 0) << row.op;
  }
}

TEST(Verify, ASingleWrongElementIsFoundAndReported) {
  VerifyOptions options = quick(3);
  options.seed = 100;
  options.run = wrong_on(Isa::kScalar);
  const VerifyReport report = verify(options);
  EXPECT_FALSE(report.ok());
  for (const VerifyRow& row : report.rows) {
    EXPECT_EQ(row.differences > 0, row.isa == "scalar") << row.op << " " << row.isa;
  }
  ASSERT_FALSE(report.differences.empty());
  const Difference& first = report.differences[0];
  EXPECT_EQ(first.isa, "scalar");
  EXPECT_EQ(first.op, "quant_matmul");
  EXPECT_EQ(first.seed, 100u);
  EXPECT_EQ(first.threads, 1);
  EXPECT_NE(first.expected, first.got);
  EXPECT_EQ(first.reproducer(), "a8w8 verify --op quant_matmul --seed 100 --problems 1 --isa scalar --threads 1");
  const std::string text = verify_differences(report);
  for (const std::string& part : {first.what, first.element, first.expected, first.got, first.reproducer()}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  EXPECT_EQ(report.json()["ok"], false);
  EXPECT_EQ(report.json()["differences"][0]["reproducer"], first.reproducer());
}

TEST(Verify, AReproducerMakesTheProblemAgain) {
  VerifyOptions options = quick(16);
  options.run = wrong_on(Isa::kScalar, "k=1");
  const VerifyReport report = verify(options);
  ASSERT_FALSE(report.differences.empty());
  const Difference& last = report.differences.back();
  options.op = last.op, options.seed = last.seed, options.problems = 1;
  options.isa = parse_isa(last.isa), options.threads = last.threads;
  const VerifyReport again = verify(options);
  ASSERT_EQ(again.rows.size(), 1u);
  ASSERT_EQ(again.differences.size(), 1u);
  EXPECT_EQ(again.differences[0].what, last.what);
  EXPECT_EQ(again.differences[0].element, last.element);
  EXPECT_EQ(again.differences[0].expected, last.expected);
}

TEST(Verify, AnElementThatIsNotWrittenOrOneTooManyShows) {
  VerifyOptions options = quick(1);
  options.op = "quantize";
  options.run = [](const Problem&, ExecutionContext&, std::span<Result>) {};
  EXPECT_FALSE(verify(options).ok());

  options.run = [](const Problem& problem, ExecutionContext& ctx, std::span<Result> out) {
    problem.run(ctx, out);
    static_cast<std::byte*>(out[0].view().data)[out[0].desc().bytes()] = std::byte{0};
  };
  const VerifyReport report = verify(options);
  ASSERT_FALSE(report.differences.empty());
  EXPECT_EQ(report.differences[0].got, "written");
  EXPECT_EQ(report.rows[0].differences, report.threads == 1 ? 1 : 2);
}

TEST(Verify, ManyDifferencesAreCountedAndTheFirstOnesKept) {
  VerifyOptions options = quick(30);
  options.isa = Isa::kScalar;
  options.run = wrong_on(Isa::kScalar);
  const VerifyReport report = verify(options);
  EXPECT_EQ(report.differences.size(), VerifyReport::kMaxDifferences);
  EXPECT_GT(report.differing_problems, 200);
  EXPECT_NE(verify_differences(report).find("... and "), std::string::npos);
}

TEST(Verify, ProblemsAreTheSameForASeedAndDifferOtherwise) {
  for (const VerifyOp& op : verify_ops()) {
    std::set<std::string> seen;
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const Problem a = op.make(seed), b = op.make(seed);
      EXPECT_EQ(a.what, b.what);
      std::vector<Result> x = a.results(), y = b.results();
      a.reference(x), b.reference(y);
      const size_t bytes = static_cast<size_t>(x[0].desc().bytes());
      EXPECT_EQ(std::memcmp(x[0].view().data, y[0].view().data, bytes), 0) << a.what;
      seen.insert(a.what);
    }
    EXPECT_GT(seen.size(), 10u) << op.name;
  }
}

TEST(Verify, RefusesWhatItDoesNotKnow) {
  VerifyOptions options = quick(1);
  options.op = "foo";
  EXPECT_THROW(verify(options), Error);
}

}  // namespace
}  // namespace a8w8::cli
