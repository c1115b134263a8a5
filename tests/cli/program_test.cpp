// The program as it is run: output, JSON, exit statuses.
#include "support/program.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace a8w8::cli {
namespace {

using Result = a8w8::testing::ProgramResult;
using a8w8::testing::contains;

Result run(const std::string& arguments, const std::string& before = "") {
  return a8w8::testing::run_program(arguments, before);
}

TEST(Program, ExplainsItself) {
  const Result help = run("--help");
  EXPECT_EQ(help.status, 0);
  EXPECT_TRUE(contains(help.output, "info") && contains(help.output, "bench")) << help.output;
  EXPECT_EQ(run("--verbs").output, "info\nbench\ninspect\nlayer\nquantize\nconvert\nverify\n");
  EXPECT_EQ(run("--version").status, 0);
  EXPECT_EQ(run("bench --help").status, 0);
}

TEST(Program, WrongUsageIsTwo) {
  for (const char* arguments :
       {"", "foo", "--foo", "info --foo", "bench", "bench foo", "bench gemm --threads 0", "bench gemm --threads x",
        "bench gemm --suite foo", "bench gemm --shape 1,2", "bench gemm --shape 1,2,3 --suite quick",
        "bench gemm --weights foo", "bench gemm --cold --shape 1,2,3", "bench gemm --out f32",
        "bench int4 --shape 1,1,3", "bench linear --bias"}) {
    const Result result = run(arguments);
    EXPECT_EQ(result.status, 2) << arguments << "\n" << result.output;
    EXPECT_FALSE(result.output.empty()) << arguments;
  }
  EXPECT_EQ(run("foo").output,
            "a8w8: unknown verb \"foo\"; known are info, bench, inspect, layer, quantize, convert, verify\n");
  EXPECT_EQ(run("info", "A8W8_NUM_THREADS=many").status, 2);
}

TEST(Program, AFileThatCannotBeWrittenIsAProblem) {
  const Result result = run("bench gemm --shape 1,2,3 --json /no/such/folder/x.json");
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.output, "a8w8: cannot write /no/such/folder/x.json\n");
}

TEST(Program, InfoTellsTheMachine) {
  const Result result = run("info --json", "A8W8_MAX_ISA=scalar");
  ASSERT_EQ(result.status, 0) << result.output;
  const auto info = nlohmann::json::parse(result.output);
  EXPECT_EQ(info["isas"]["usable"], nlohmann::json({"scalar"}));
  EXPECT_EQ(info["kernels"]["quantize"], "quantize_scalar");
  EXPECT_EQ(info["peak_kernel"], "peak_scalar");
  for (const char* figure : {"threads", "peak_int8_gops", "peak_int8_gops_1", "read_gbps", "read_gbps_1"}) {
    EXPECT_GT(info[figure].get<double>(), 0) << figure;
  }
  for (const char* level : {"l1d", "l2", "l3"}) EXPECT_GT(info["caches"][level].get<int64_t>(), 0) << level;

  const Result words = run("info");
  EXPECT_EQ(words.status, 0);
  EXPECT_TRUE(contains(words.output, "int8 peak")) << words.output;
}

TEST(Program, BenchWritesTheDocumentedRows) {
  const std::string path = ::testing::TempDir() + "a8w8_bench.json";
  const Result result =
      run("bench gemm --shape 3,5,64 2,2,32 --weights both --threads 1 2 --bias --seconds 0.001 --json '" + path + "'");
  ASSERT_EQ(result.status, 0) << result.output;
  EXPECT_TRUE(contains(result.output, "GOP/s")) << result.output;
  const auto json = nlohmann::json::parse(std::ifstream(path));
  for (const char* key : {"cpu", "isa", "peak_int8_gops", "peak_int8_gops_1", "read_gbps", "read_gbps_1", "caches"}) {
    EXPECT_TRUE(json["machine"].contains(key)) << key;
  }
  EXPECT_EQ(json["machine"]["threads"], 2);
  ASSERT_EQ(json["rows"].size(), 8u);
  std::set<std::string> names;
  for (const auto& row : json["rows"]) {
    names.insert(row["name"]);
    for (const char* key : {"isa", "kernel", "weights", "cold", "out"}) EXPECT_TRUE(row.contains(key)) << key;
    for (const char* key : {"m", "n", "k", "threads", "median_ns", "lower_quartile_ns", "best_ns", "calls", "gops",
                            "gbps", "of_peak", "of_bandwidth"}) {
      EXPECT_GT(row[key].get<double>(), 0) << key;
    }
    EXPECT_LE(row["best_ns"], row["lower_quartile_ns"]);
    EXPECT_LE(row["lower_quartile_ns"], row["median_ns"]);
  }
  EXPECT_EQ(names.size(), 8u);
  EXPECT_TRUE(names.count("gemm_3x5x64_bf16_bias_packed_warm_t2"));
}

TEST(Program, VerifyPassesOnThisMachine) {
  const Result words = run("verify --problems 3 --seed 1");
  EXPECT_EQ(words.status, 0) << words.output;
  EXPECT_TRUE(contains(words.output, "bit for bit")) << words.output;

  const Result result = run("verify --seconds 0 --isa scalar --threads 2 --op linear_static --json");
  ASSERT_EQ(result.status, 0) << result.output;
  const auto json = nlohmann::json::parse(result.output);
  EXPECT_EQ(json["ok"], true);
  ASSERT_EQ(json["rows"].size(), 1u);
  EXPECT_EQ(json["rows"][0]["isa"], "scalar");
  EXPECT_GT(json["rows"][0]["elements"].get<int64_t>(), 0);

  for (const char* arguments : {"verify --op foo", "verify --isa foo", "verify --problems 0", "verify --seconds -1"}) {
    EXPECT_EQ(run(arguments).status, 2) << arguments;
  }
}

TEST(Program, ColdRowsStandBesideWarmOnes) {
  const Result result = run("bench gemm --shape 2,256,512 --cold --threads 1 --seconds 0.001 --json -");
  ASSERT_EQ(result.status, 0) << result.output;
  const auto rows = nlohmann::json::parse(result.output)["rows"];
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["cold"], false);
  EXPECT_EQ(rows[1]["cold"], true);
}

TEST(Program, EveryKindOfBenchmarkRuns) {
  for (const char* kind : {"linear", "linear --in f32", "outputs", "int4", "scaling --threads 2",
                           "batch --batch 3 --threads 2", "overhead"}) {
    const Result result =
        run(std::string("bench ") + kind + " --shape 3,8,16 --seconds 0.001 --json -", "A8W8_NUM_THREADS=1");
    ASSERT_EQ(result.status, 0) << kind << "\n" << result.output;
    const auto json = nlohmann::json::parse(result.output);
    bool compared = false;
    for (const auto& row : json["rows"]) compared = compared || row.contains("speedup");
    EXPECT_EQ(compared, std::string(kind) != "overhead") << kind;
  }
}

}  // namespace
}  // namespace a8w8::cli
