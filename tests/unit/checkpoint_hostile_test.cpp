// Folders made to hurt: each gives an Error that names the file, quickly, without a crash and without much memory.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "a8w8/checkpoint.h"
#include "a8w8/inspect.h"
#include "support/checkpoint_folders.h"

namespace a8w8 {
namespace {

namespace fs = std::filesystem;
using namespace testing;  // folders and builders

struct Hostile {
  const char* name;
  std::function<void(const TempFolder&)> spoil;  // a good static checkpoint of one file
  std::vector<std::string> parts;
};
std::ostream& operator<<(std::ostream& out, const Hostile& row) { return out << row.name; }

std::string repeat(const std::string& text, int64_t times) {
  std::string result;
  result.reserve(text.size() * static_cast<size_t>(times));
  for (int64_t i = 0; i < times; ++i) result += text;
  return result;
}

std::string weights(const TempFolder& folder) { return folder / "model.safetensors"; }
std::string description(const TempFolder& folder) { return folder / "quant_model_description.json"; }

void set_index(const TempFolder& folder, const std::string& file) {
  write_bytes(folder / "quant_model_weights.safetensors.index.json", R"({"weight_map":{"a.weight":")" + file + "\"}}");
}

void link_to(const TempFolder& folder, const std::string& target) {
  fs::remove(weights(folder));
  fs::create_symlink(target, weights(folder));
}

std::vector<Hostile> hostile_folders() {
  using F = const TempFolder&;
  return {
      {"Truncated",
       [](F f) { fs::resize_file(weights(f), fs::file_size(weights(f)) - 1); },
       {"model.safetensors", "cut short"}},
      {"Longer",
       [](F f) { fs::resize_file(weights(f), fs::file_size(weights(f)) + 1); },
       {"model.safetensors", "holds"}},
      {"WrongEndian",
       [](F f) {
         std::string bytes = read_bytes(weights(f));
         std::reverse(bytes.begin(), bytes.begin() + 8);
         write_bytes(weights(f), bytes);
       },
       {"model.safetensors", "claims"}},
      {"Fp8",
       [](F f) {
         const std::string header = R"({"a.weight":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}})";
         write_bytes(weights(f), safetensors_bytes(header, 4));
       },
       {"model.safetensors", "a.weight", "F8_E4M3", "8-bit floats of an fp8 checkpoint"}},
      {"ADescriptionOfManyValues",
       [](F f) { write_bytes(description(f), "{\"a\":[" + repeat("0,", 7'000'000) + "0]}"); },
       {"quant_model_description.json", "names and values"}},
      {"ADescriptionOfDeepValues",
       [](F f) { write_bytes(description(f), "{\"a\":" + repeat("[", 5'000'000)); },
       {"quant_model_description.json", "nested deeper"}},
      {"AConfigTooLong",
       [](F f) { write_bytes(f / "config.json", "{\"a\":\"" + std::string(17'000'000, 'a') + "\"}"); },
       {"config.json", "allowed are"}},
      {"AConfigThatIsNone", [](F f) { write_bytes(f / "config.json", "{"); }, {"config.json", "not valid JSON"}},
      {"ADescriptionThatIsAFolder",
       [](F f) {
         fs::remove(description(f));
         fs::create_directory(description(f));
       },
       {"quant_model_description.json", "not a regular file"}},
      {"TheDescriptionTwice",
       [](F f) {
         fs::rename(description(f), f / "quant_model_description_a.json");
         write_bytes(f / "quant_model_description_b.json", "{}");
       },
       {"quant_model_description_a.json", "quant_model_description_b.json", "rename"}},
      {"AnIndexOutOfTheFolder",
       [](F f) { set_index(f, "../../etc/passwd"); },
       {"index.json", "\"a.weight\"", "not a file name"}},
      {"AnIndexWithASeparator", [](F f) { set_index(f, "sub/model.safetensors"); }, {"index.json", "not a file name"}},
      {"AnIndexToNothing", [](F f) { set_index(f, "gone.safetensors"); }, {"gone.safetensors", "the index names it"}},
      {"AnIndexWithTerminalCodes", [](F f) { set_index(f, "\\u001b[2Jx"); }, {"?[2Jx", "the index names it"}},
      {"AnIndexToItself",
       [](F f) { set_index(f, "quant_model_weights.safetensors.index.json"); },
       {"quant_model_weights.safetensors.index.json", "claims"}},
      {"ALinkToItself", [](F f) { link_to(f, "model.safetensors"); }, {"model.safetensors", "symbolic links"}},
      {"ALinkToNothing", [](F f) { link_to(f, "gone"); }, {"model.safetensors", "No such file"}},
      {"ALinkToADevice", [](F f) { link_to(f, "/dev/zero"); }, {"model.safetensors", "not a regular file"}},
      {"ALinkToAFolder", [](F f) { link_to(f, "/tmp"); }, {"model.safetensors", "not a regular file"}},
      {"AFifo",
       [](F f) {
         fs::remove(weights(f));
         ASSERT_EQ(::mkfifo(weights(f).c_str(), 0600), 0);
       },
       {"model.safetensors", "not a regular file"}},
      {"TwoFilesOfOneName",
       [](F f) { fs::copy(weights(f), f / "again.safetensors"); },
       {"is in both again.safetensors and model.safetensors", "two runs of a tool"}},
      {"ATypeOfAMegabyte",
       [](F f) { write_bytes(description(f), "{\"a.weight\":\"" + std::string(1'000'000, 'W') + "\"}"); },
       {"\"a.weight\" is of type WWWW"}},
  };
}

class HostileFolder : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostileFolder, IsRefusedWithAClearMessage) {
  const TempFolder folder;
  write_msmodelslim(folder, CheckpointBuilder().static_layer("a"));
  ASSERT_EQ(Checkpoint::open(folder.path()).quantized_layers().size(), 1u);
  GetParam().spoil(folder);
  try {
    Checkpoint::open(folder.path());
    FAIL() << "no error";
  } catch (const Error& error) {
    const std::string message = error.what();
    for (const std::string& part : GetParam().parts)
      EXPECT_NE(message.find(part), message.npos) << part << "\nnot in\n" << message;
    EXPECT_NE(message.find(folder.path()), message.npos);
    EXPECT_LT(message.size(), 20'000u);
    EXPECT_EQ(message.find('\x1b'), message.npos);
  }
  const CheckpointReport report = inspect(folder.path());  // goes on past all of it
  EXPECT_FALSE(report.ok());
  EXPECT_LT(to_json(report).size(), 100'000u);
}

INSTANTIATE_TEST_SUITE_P(Checkpoint, HostileFolder, ::testing::ValuesIn(hostile_folders()),
                         [](const auto& info) { return std::string(info.param.name); });

// As Hugging Face's cache lays files out.
TEST(HostileFolderLinks, ToRegularFilesAreFollowed) {
  const TempFolder folder, blobs;
  write_msmodelslim(folder, CheckpointBuilder().static_layer("a"));
  fs::rename(weights(folder), blobs / "1234");
  fs::create_symlink(blobs / "1234", weights(folder));
  EXPECT_EQ(Checkpoint::open(folder.path()).quantized_layers().size(), 1u);
}

// Models with thousands of experts have as many; work for each pair of them would take minutes.
TEST(HostileCheckpoint, ManyTensorsInOneFileAreReadInLinearTime) {
  const TempFolder folder;
  std::string header = "{";
  for (int i = 0; i < 50'000; ++i) {
    header += std::string(i > 0 ? "," : "") + "\"m." + std::to_string(i) +
              ".bias\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}";
  }
  header += "}";
  write_bytes(folder / "a.safetensors", safetensors_bytes(header, 0));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(SafetensorsFile::open(folder / "a.safetensors").tensors().size(), 50'000u);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

// A pattern that makes a backtracking matcher run for ages.
TEST(HostilePatterns, DoNotHang) {
  const TempFolder folder;
  const std::string name(300, 'a');
  CheckpointBuilder builder;
  builder.i8(name + ".weight", "", {3, 4}, {1}).f32(name + ".weight_scale", "", {3}, {1});
  write_compressed(
      folder, builder,
      quantization_config(R"("g":)" + config_group(kInt8Channel, kDynamicToken, R"(["re:(a*)*(a|aa)+b"])")));
  const auto start = std::chrono::steady_clock::now();
  expect_error(ErrorCode::kCorrupt, {"no config group names the layer"}, [&] { Checkpoint::open(folder.path()); });
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST(HostileFindings, AreCapped) {
  const TempFolder folder;
  CheckpointBuilder builder;
  for (int i = 0; i < 1500; ++i) builder.i8("l" + std::to_string(i) + ".weight", "W8A8_DYNAMIC", {1, 4}, {1});
  write_msmodelslim(folder, builder);
  const CheckpointReport report = inspect(folder.path());
  EXPECT_EQ(report.findings.size(), 1000u);
  EXPECT_EQ(report.findings_omitted, 500);
  expect_error(ErrorCode::kCorrupt, {"1500 problems", "and 1480 more"}, [&] { Checkpoint::open(folder.path()); });
}

}  // namespace
}  // namespace a8w8
