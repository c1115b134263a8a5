// What benchmarks make of their cases.
#include <gtest/gtest.h>

#include "cli/bench_run.h"
#include "cli/command.h"
#include "cli/terminal.h"

namespace a8w8::cli {
namespace {

constexpr TimingOptions kShort{.seconds = 1e-4};

Case case_named(const char* op, std::optional<std::string> wrong = std::nullopt) {
  Case c;
  c.op = op, c.variant = "test", c.shape = {1, 2, 3};
  c.operations = 1e-3, c.bytes = 1e-3;  // within any machine's limits
  c.call = [] {};
  c.wrong = [wrong] { return wrong; };
  return c;
}

TEST(Summarize, GivesMedianLowerQuartileAndBest) {
  const Timing t = summarize({9, 1, 8, 2, 7, 3, 6, 4}, 10);
  EXPECT_EQ(t.best_ns, 1);
  EXPECT_EQ(t.lower_quartile_ns, 3);
  EXPECT_EQ(t.median_ns, 6);
  EXPECT_EQ(t.calls, 80);
  EXPECT_EQ(summarize({5}, 1).median_ns, 5);
}

TEST(TimeCalls, TakeTurnsAndAreAllMeasured) {
  int first = 0, second = 0;
  const std::vector<Timing> timings = time_calls({[&] { ++first; }, [&] { ++second; }}, kShort);
  ASSERT_EQ(timings.size(), 2u);
  EXPECT_GE(timings[0].calls, kRounds);
  EXPECT_GT(first, timings[0].calls);  // some calls are not measured
  EXPECT_GT(second, timings[1].calls);
}

TEST(RunGroup, DoesNotTimeWrongAnswers) {
  int timed = 0;
  Case wrong = case_named("b", "result (0, 0) is 1, must be 2");
  wrong.call = [&] { ++timed; };
  Case compared = case_named("c");
  compared.baseline = 1;
  const std::vector<Row> rows = run_group({case_named("a"), wrong, compared}, kShort);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(timed, 0);
  EXPECT_EQ(to_json(rows[1])["wrong"], "result (0, 0) is 1, must be 2");
  EXPECT_FALSE(to_json(rows[1]).contains("median_ns"));
  EXPECT_GT(rows[2].timing.calls, 0);
  EXPECT_TRUE(rows[2].baseline.empty()) << "there is nothing to compare with";
}

TEST(RunGroup, ComparesWithTheBaseline) {
  Case compared = case_named("b");
  compared.baseline = 0;
  const std::vector<Row> rows = run_group({case_named("a"), compared}, kShort);
  EXPECT_EQ(rows[1].baseline, "a_1x2x3_test_t1");
  EXPECT_DOUBLE_EQ(rows[1].speedup, rows[0].timing.lower_quartile_ns / rows[1].timing.lower_quartile_ns);
}

TEST(RunGroup, TimesTheMachinesLimitsInTurnWithProducts) {
  Contexts contexts;
  Probes probes(contexts);
  Case none = case_named("none"), warm = case_named("warm"), cold = case_named("cold");
  none.shape.n = 0, none.threads = 3, cold.threads = 2, cold.cold = true;
  warm.operations = cold.operations = 1, cold.bytes = 1;
  std::vector<Row> rows = run_group({none, warm, cold}, kShort, &probes);
  EXPECT_EQ(rows[0].peak_gops, 0);
  EXPECT_GT(rows[1].peak_gops, 0);
  EXPECT_EQ(rows[1].read_gbps, 0) << "nothing is cold with as many threads";
  EXPECT_GT(rows[2].peak_gops, 0);
  EXPECT_GT(rows[2].read_gbps, 0);
  Machine machine;
  machine.measure({2, 3}, contexts);
  for (Row& row : rows) relate_to_limits(row, machine);
  EXPECT_DOUBLE_EQ(rows[1].of_peak, rows[1].gops / rows[1].peak_gops);
  EXPECT_DOUBLE_EQ(rows[1].of_bandwidth, rows[1].gbps / machine.limits(1).read_gbps);
  EXPECT_DOUBLE_EQ(rows[2].of_bandwidth, rows[2].gbps / rows[2].read_gbps);
  EXPECT_EQ(to_json(rows[2])["read_gbps_meanwhile"], rows[2].read_gbps);
  EXPECT_FALSE(to_json(rows[0]).contains("peak_gops_meanwhile"));
}

TEST(RunBench, FindsAProblem) {
  Contexts contexts;
  BenchOptions options{.threads = {1}, .timing = kShort};
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  const int status = run_bench({[] {
                                 return Group{case_named("a"), case_named("b", "it is wrong")};
                               }},
                               options, contexts);
  const std::string table = ::testing::internal::GetCapturedStdout();
  EXPECT_EQ(status, kProblemFound);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "a8w8: b_1x2x3_test_t1 gives a wrong answer: it is wrong\n");
  EXPECT_NE(table.find("WRONG"), std::string::npos) << table;
}

TEST(RunBench, SaysSoIfARowIsBeyondTheLimits) {
  Contexts contexts;
  const BenchOptions options{.threads = {1}, .timing = kShort, .json_file = "-"};
  Case impossible = case_named("a");
  impossible.operations = 1e12;
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(run_bench({[&] { return Group{impossible}; }}, options, contexts), kOk);
  const auto json = nlohmann::json::parse(::testing::internal::GetCapturedStdout());
  EXPECT_EQ(json["machine"]["disturbed"], true);
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("other programs"), std::string::npos);
}

TEST(FormatTable, AlignsColumns) {
  EXPECT_EQ(format_table({{"op", "us"}, {"gemm", "7"}, {"x", "12345"}}), "op       us\ngemm      7\nx     12345\n");
}

TEST(FormatFigure, KeepsTheDigitsThatCount) {
  EXPECT_EQ(format_figure(0.1234), "0.12");
  EXPECT_EQ(format_figure(1.2345), "1.23");
  EXPECT_EQ(format_figure(123.45), "123");
  EXPECT_EQ(format_figure(12345), "12345");
}

}  // namespace
}  // namespace a8w8::cli
