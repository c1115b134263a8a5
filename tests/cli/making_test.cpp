// a8w8 quantize and a8w8 convert as they are run, and the line that shows their progress.
#include "cli/making.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "support/checkpoint_builder.h"
#include "support/checkpoint_files.h"
#include "support/program.h"

namespace a8w8::cli {
namespace {

using a8w8::testing::entries_of;
using a8w8::testing::TempFolder;
using Json = nlohmann::json;
using Names = std::set<std::string>;

const std::string kFloat = A8W8_TEST_DATA "/float-bf16";

using Result = a8w8::testing::ProgramResult;
using a8w8::testing::contains;

Result run(const std::string& arguments, const std::string& before = "") {
  return a8w8::testing::run_program(arguments, before);
}

TEST(Quantize, SaysWhatItDid) {
  const TempFolder folder;
  const Result result = run("quantize " + kFloat + " -o " + (folder / "out") + " --scheme w8a8_dynamic");
  EXPECT_EQ(result.status, 0) << result.output;
  for (const char* part : {"14 linear layers to w8a8_dynamic, format msmodelslim", "lm_head (output head)",
                           "model.embed_tokens (embedding)", "756 kB read"}) {
    EXPECT_TRUE(contains(result.output, part)) << part << "\n" << result.output;
  }
  EXPECT_FALSE(contains(result.output, "[#")) << "a bar where there is no terminal";
  EXPECT_EQ(Checkpoint::open(folder / "out").quantized_layers().size(), 14u);
}

TEST(Quantize, WritesJson) {
  const TempFolder folder;
  const Result result =
      run("quantize " + kFloat + " -o " + (folder / "out") +
          " --scheme w8a8_dynamic --format compressed-tensors --skip '*.down_proj' --threads 2 --json");
  ASSERT_EQ(result.status, 0) << result.output;
  const Json json = Json::parse(result.output);
  EXPECT_EQ(json["quantized"].size(), 12u);
  EXPECT_EQ(json["kept"].size(), 4u);
  EXPECT_EQ(json["format"], "compressed-tensors");
  EXPECT_EQ(Checkpoint::open(folder / "out").format(), CheckpointFormat::kCompressedTensors);
}

TEST(Quantize, TellsProblemsFromWrongUsage) {
  const TempFolder folder;
  const std::string out = " -o " + (folder / "out");
  const auto expect = [](const std::string& arguments, int status, const std::string& part) {
    const Result result = run("quantize " + arguments);
    EXPECT_EQ(result.status, status) << result.output;
    EXPECT_TRUE(contains(result.output, part)) << part << "\nnot in\n" << result.output;
  };
  expect(kFloat + out, 2, "--scheme is required");
  expect(kFloat + " --scheme w8a8_dynamic", 2, "--output is required");
  expect(kFloat + out + " --scheme w8a8", 2, "Python package");
  expect(kFloat + out + " --scheme w4a8", 2, "w4a8");
  expect(kFloat + out + " --scheme w8a8_dynamic --format gguf", 2, "gguf");
  expect(kFloat + out + " --scheme w8a8_dynamic --threads 0", 2, "--threads");
  expect(kFloat + out + " --scheme w8a8_dynamic --skip nothing", 2, "matches no layer");
  expect((folder / "none") + out + " --scheme w8a8_dynamic", 1, folder / "none");
  EXPECT_TRUE(entries_of(folder.path()).empty());
}

TEST(Quantize, AFileThatCannotGrowIsAProblem) {
  const TempFolder folder;
  const Result result =
      run("quantize " + kFloat + " -o " + (folder / "out") + " --scheme w8a8_dynamic", "ulimit -f 100;");
  EXPECT_EQ(result.status, 1) << result.output;
  EXPECT_TRUE(contains(result.output, "quant_model_weights-00001-of-00001.safetensors: cannot write: File too large"))
      << result.output;
  EXPECT_TRUE(entries_of(folder.path()).empty());
}

// A model of 512 MB, as a file of holes: long enough to be interrupted.
void write_long_model(const std::string& folder) {
  std::filesystem::create_directory(folder);
  const std::string header =
      "{\"a.weight\":{\"dtype\":\"BF16\",\"shape\":[16384,16384],\"data_offsets\":[0,536870912]}}      ";
  std::ofstream(folder + "/model.safetensors", std::ios::binary)
      << a8w8::testing::safetensors_bytes(header.substr(0, header.size() / 8 * 8), 0);
  std::filesystem::resize_file(folder + "/model.safetensors", 8 + header.size() / 8 * 8 + 536870912);
  std::ofstream(folder + "/config.json") << "{}";
}

TEST(Quantize, CtrlCLeavesNothing) {
  const TempFolder folder;
  write_long_model(folder / "in");
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl(A8W8_CLI_PROGRAM, "a8w8", "quantize", (folder / "in").c_str(), "-o", (folder / "out").c_str(), "--scheme",
            "w8a8_dynamic", "--threads", "1", static_cast<char*>(nullptr));
    ::_exit(99);
  }
  for (int i = 0; i < 10000 && entries_of(folder.path()).size() < 2; ++i)  // until its folder is there
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  ::kill(child, SIGINT);
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), kInterrupted);
  EXPECT_EQ(entries_of(folder.path()), Names{"in"});
}

TEST(Convert, SaysWhatIsLost) {
  const TempFolder folder;
  const std::string sample = A8W8_TEST_DATA "/msmodelslim-v1-static-bf16";
  const Result there = run("convert " + sample + " -o " + (folder / "ct") + " --format compressed-tensors");
  EXPECT_EQ(there.status, 0) << there.output;
  for (const char* part : {"msmodelslim to compressed-tensors: 0 dynamic layers, 14 static layers",
                           "weight_scale = deq_scale / input_scale", "lost"}) {
    EXPECT_TRUE(contains(there.output, part)) << part << "\n" << there.output;
  }
  const Result back = run("convert " + (folder / "ct") + " -o " + (folder / "ms") + " --format msmodelslim --json");
  ASSERT_EQ(back.status, 0) << back.output;
  EXPECT_EQ(Json::parse(back.output)["static_layers"], 14);
  EXPECT_EQ(run("convert " + sample + " -o " + (folder / "x") + " --format msmodelslim").status, 2);
  EXPECT_EQ(run("convert " + kFloat + " -o " + (folder / "x") + " --format msmodelslim").status, 1);
}

TEST(Progress, ShowsPartSpeedAndTimeLeft) {
  EXPECT_EQ(progress_line({0, 100}, 0), "[                        ]   0 %");
  EXPECT_EQ(progress_line({1'200'000'000, 4'800'000'000}, 1), "[######                  ]  25 %  1.20 GB/s  0:03 left");
  EXPECT_EQ(progress_line({1'000'000, 7'300'000'000}, 1), "[                        ]   0 %  1.00 MB/s  2:01:39 left");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1.5e12), "1.50 TB");
}

}  // namespace
}  // namespace a8w8::cli
