// Writing msModelSlim folders: what stands in them, what may be replaced, what is left behind when it fails.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "a8w8/checkpoint.h"
#include "support/checkpoint_builder.h"
#include "support/checkpoint_files.h"

namespace a8w8 {
namespace {

namespace fs = std::filesystem;
using testing::CheckpointBuilder;
using testing::entries_of;
using testing::expect_error;
using testing::FileSizeLimit;
using testing::read_bytes;
using testing::TempFolder;
using testing::write_bytes;
using Names = std::set<std::string>;

const Names kFilesOfOnePart = {"quant_model_weights-00001-of-00001.safetensors",
                               "quant_model_weights.safetensors.index.json", "quant_model_description.json"};

CheckpointBuilder two_layers() {
  CheckpointBuilder builder;
  builder.f32("norm.weight", "FLOAT", {4}, {1, 2, 3, 4}).static_layer("a").dynamic_layer("b");
  return builder;
}

void expect_same(const Checkpoint& checkpoint, const std::vector<CheckpointTensor>& tensors) {
  EXPECT_EQ(checkpoint.tensors().size(), tensors.size());
  for (const CheckpointTensor& expected : tensors) {
    SCOPED_TRACE(expected.name);
    const ConstTensorView got = checkpoint.tensor(expected.name);
    ASSERT_EQ(got.dtype, expected.view.dtype);
    ASSERT_EQ(got.sizes, expected.view.sizes);
    EXPECT_EQ(std::memcmp(got.data, expected.view.data, static_cast<size_t>(got.numel()) * dtype_size(got.dtype)), 0);
  }
  for (const CheckpointTensor& got : checkpoint.tensors()) {
    const auto is_it = [&got](const CheckpointTensor& tensor) { return tensor.name == got.name; };
    EXPECT_EQ(got.quant_type, std::find_if(tensors.begin(), tensors.end(), is_it)->quant_type);
  }
}

TEST(CheckpointWriter, WritesWhatTheReaderReads) {
  const TempFolder folder;
  const CheckpointBuilder builder = two_layers();
  CheckpointWriteOptions options;
  options.extra_files = {{"config.json", "{\"a\": 1}"}, {"README.md", ""}};
  write_checkpoint(folder / "out", builder.tensors(), options);
  expect_same(Checkpoint::open(folder / "out"), builder.tensors());
  EXPECT_EQ(Checkpoint::open(folder / "out").quantized_layers(), (std::vector<std::string>{"a", "b"}));
  Names expected = kFilesOfOnePart;
  expected.insert({"config.json", "README.md"});
  EXPECT_EQ(entries_of(folder / "out"), expected);
  EXPECT_EQ(read_bytes(folder / "out/config.json"), "{\"a\": 1}");
  EXPECT_EQ(entries_of(folder.path()), Names{"out"});
}

TEST(CheckpointWriter, WritesTheToolsDescriptionAndIndex) {
  const TempFolder folder;
  CheckpointBuilder builder;
  builder.f32("norm.weight", "FLOAT", {4}, {1}).f32("a\"b", "FLOAT", {1}, {1});
  write_checkpoint(folder / "out", builder.tensors());
  EXPECT_EQ(read_bytes(folder / "out/quant_model_description.json"),
            "{\n  \"norm.weight\": \"FLOAT\",\n  \"a\\\"b\": \"FLOAT\",\n  \"model_quant_type\": \"FLOAT\",\n"
            "  \"version\": \"1.0.0\",\n  \"group_size\": 0\n}\n");
  EXPECT_EQ(read_bytes(folder / "out/quant_model_weights.safetensors.index.json"),
            "{\n  \"metadata\": {\n    \"total_size\": 20\n  },\n  \"weight_map\": {\n"
            "    \"norm.weight\": \"quant_model_weights-00001-of-00001.safetensors\",\n"
            "    \"a\\\"b\": \"quant_model_weights-00001-of-00001.safetensors\"\n  }\n}\n");
}

TEST(CheckpointWriter, NamesTheModelAfterItsQuantizedType) {
  const TempFolder folder;
  const auto model_type = [&folder](const CheckpointBuilder& builder) {
    write_checkpoint(folder / "out", builder.tensors());
    const std::string json = read_bytes(folder / "out/quant_model_description.json");
    const size_t begin = json.find("\"model_quant_type\": \"") + 21;
    return json.substr(begin, json.find('"', begin) - begin);
  };
  EXPECT_EQ(model_type(two_layers()), "W8A8");
  EXPECT_EQ(model_type(CheckpointBuilder().f32("n", "FLOAT", {1}, {1}).dynamic_layer("b")), "W8A8_DYNAMIC");
  EXPECT_EQ(model_type(CheckpointBuilder()
                           .f32("n", "FLOAT", {1}, {1})
                           .i8("x.weight", "W4A8_DYNAMIC", {1, 2}, {1})
                           .f32("x.weight_scale", "W4A8_DYNAMIC", {2, 1}, {1})),
            "W4A8_DYNAMIC");
  EXPECT_EQ(model_type(CheckpointBuilder()), "FLOAT");
}

TEST(CheckpointWriter, SplitsIntoPartsAndAlignsEveryTensor) {
  const TempFolder folder;
  CheckpointBuilder builder;
  for (int i = 0; i < 4; ++i) {  // an odd number of int8 before each float
    builder.i8("x" + std::to_string(i) + ".data", "FLOAT", {101}, {1, 2, 3});
    builder.f32("y" + std::to_string(i) + ".data", "FLOAT", {25}, {0.5f, 1.5f});
  }
  builder.f32("big.data", "FLOAT", {1000}, {1});
  CheckpointWriteOptions options;
  options.max_part_bytes = 402;  // two pairs
  write_checkpoint(folder / "out", builder.tensors(), options);
  EXPECT_EQ(entries_of(folder / "out"),
            (Names{"quant_model_weights-00001-of-00003.safetensors", "quant_model_weights-00002-of-00003.safetensors",
                   "quant_model_weights-00003-of-00003.safetensors", "quant_model_weights.safetensors.index.json",
                   "quant_model_description.json"}));
  expect_same(Checkpoint::open(folder / "out"), builder.tensors());
  const SafetensorsFile part = SafetensorsFile::open(folder / "out/quant_model_weights-00002-of-00003.safetensors");
  std::vector<std::string> names;
  int64_t expected_offset = 0;
  for (const NamedTensor& tensor : part.tensors()) {
    names.push_back(tensor.name);
    const auto offset =
        static_cast<const std::byte*>(tensor.view.data) - static_cast<const std::byte*>(part.tensors()[0].view.data);
    EXPECT_EQ(offset, expected_offset) << tensor.name << " was copied, so it is misaligned in the file";
    expected_offset += tensor.view.numel() * static_cast<int64_t>(dtype_size(tensor.view.dtype));
  }
  EXPECT_EQ(names, (std::vector<std::string>{"y2.data", "y3.data", "x2.data", "x3.data"}));
}

TEST(CheckpointWriter, ReplacesOnlyCheckpointsAndEmptyFolders) {
  const TempFolder folder;
  const std::string out = folder / "out";
  const auto write = [&out] { write_checkpoint(out, two_layers().tensors()); };
  fs::create_directory(out);
  write();
  EXPECT_EQ(entries_of(out), kFilesOfOnePart);
  write_bytes(out + "/left_over.safetensors", "x");
  write();
  EXPECT_EQ(entries_of(out), kFilesOfOnePart);

  fs::remove(out + "/quant_model_description.json");
  const Names before = entries_of(out);
  expect_error(ErrorCode::kInvalidArgument, {out, "not an msModelSlim or"}, write);
  EXPECT_EQ(entries_of(out), before);
  fs::remove_all(out);
  write_bytes(out, "precious");
  expect_error(ErrorCode::kInvalidArgument, {out, "not a folder"}, write);
  EXPECT_EQ(read_bytes(out), "precious");
  EXPECT_EQ(entries_of(folder.path()), Names{"out"});
}

TEST(CheckpointWriter, TakesAnyWayToSpellTheFolder) {
  const TempFolder folder;
  fs::create_directory(folder / "real");
  fs::create_directory_symlink("real", folder / "link");
  write_checkpoint(folder / "link/", two_layers().tensors());
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(entries_of(folder / "real"), kFilesOfOnePart);
  write_checkpoint(folder / "new/../other/", two_layers().tensors());
  EXPECT_EQ(entries_of(folder / "other"), kFilesOfOnePart);
  fs::create_directory_symlink("nowhere", folder / "dangling");
  expect_error(ErrorCode::kInvalidArgument, {"dangling"}, [&] { write_checkpoint(folder / "dangling", {}); });
  expect_error(ErrorCode::kIo, {"No such file"}, [&] { write_checkpoint(folder / "none/out", {}); });
  expect_error(ErrorCode::kInvalidArgument, {"\"/\""}, [] { write_checkpoint("/", {}); });
  expect_error(ErrorCode::kInvalidArgument, {"\"\""}, [] { write_checkpoint("", {}); });
}

TEST(CheckpointWriter, MayReplaceTheCheckpointItsTensorsLieIn) {
  const TempFolder folder;
  write_checkpoint(folder / "out", two_layers().tensors());
  const Checkpoint checkpoint = Checkpoint::open(folder / "out");
  write_checkpoint(folder / "out", checkpoint.tensors());
  expect_same(Checkpoint::open(folder / "out"), two_layers().tensors());
}

TEST(CheckpointFullDisk, FolderIsAsItWasBefore) {
  const TempFolder folder;
  const std::string out = folder / "out";
  CheckpointBuilder big = two_layers();
  big.f32("embedding.weight", "FLOAT", {200'000}, {1});
  for (const bool exists : {false, true}) {
    SCOPED_TRACE(exists);
    const Names before = entries_of(folder.path());
    {
      const FileSizeLimit limit(100'000);
      expect_error(ErrorCode::kIo, {"quant_model_weights", "cannot write"},
                   [&] { write_checkpoint(out, big.tensors()); });
    }
    EXPECT_EQ(entries_of(folder.path()), before);
    if (exists) expect_same(Checkpoint::open(out), two_layers().tensors());
    write_checkpoint(out, two_layers().tensors());
  }
}

TEST(CheckpointFullDisk, ATooBigExtraFileLeavesNothing) {
  const TempFolder folder;
  CheckpointWriteOptions options;
  options.extra_files = {{"tokenizer.json", std::string(200'000, 'x')}};
  const FileSizeLimit limit(100'000);
  expect_error(ErrorCode::kIo, {"tokenizer.json"},
               [&] { write_checkpoint(folder / "out", two_layers().tensors(), options); });
  EXPECT_TRUE(entries_of(folder.path()).empty());
}

TEST(CheckpointWriter, RefusesWhatTheReaderWouldRefuse) {
  const TempFolder folder;
  const auto refuses = [&folder](const std::vector<CheckpointTensor>& tensors, const std::vector<std::string>& parts) {
    expect_error(ErrorCode::kInvalidArgument, parts, [&] { write_checkpoint(folder / "out", tensors); });
  };
  const float value = 1;
  const ConstTensorView view(&value, DType::kF32, {1});
  refuses({{"a", "FLOAT", view}, {"a", "FLOAT", view}}, {"\"a\"", "twice"});
  refuses({{"a", "", view}}, {"\"a\"", "quant_type"});
  refuses({{"", "FLOAT", view}}, {"empty name"});
  refuses({{"version", "FLOAT", view}}, {"\"version\"", "reserves"});
  refuses({{"a", "FLOAT", ConstTensorView(nullptr, DType::kF32, {1})}}, {"\"a\"", "no data"});
  refuses({{"\xff", "FLOAT", view}}, {"UTF-8"});
  CheckpointBuilder bad;
  refuses(bad.static_layer("a")
              .dynamic_layer("b")
              .remove("a.deq_scale")
              .f32("b.weight_scale", "W8A8_DYNAMIC", {3}, {-1})
              .tensors(),
          {"2 problems", "\"a.deq_scale\"", "\"b.weight_scale\""});
  EXPECT_TRUE(entries_of(folder.path()).empty());
}

TEST(CheckpointWriter, RefusesBadOptions) {
  const TempFolder folder;
  const auto refuses = [&folder](const CheckpointWriteOptions& options, const std::string& part) {
    expect_error(ErrorCode::kInvalidArgument, {folder / "out", part},
                 [&] { write_checkpoint(folder / "out", {}, options); });
  };
  refuses({.max_part_bytes = 0, .extra_files = {}}, "max_part_bytes is 0");
  for (const std::string name : {"../x", "/x", "a/b", "", "..", "x.safetensors", "quant_model_description_2.json",
                                 "model.safetensors.index.json"}) {
    CheckpointWriteOptions options;
    options.extra_files = {{name, ""}};
    refuses(options, "extra file \"" + name + "\"");
  }
  CheckpointWriteOptions twice;
  twice.extra_files = {{"a", ""}, {"a", ""}};
  refuses(twice, "twice");
  EXPECT_TRUE(entries_of(folder.path()).empty());
}

}  // namespace
}  // namespace a8w8
