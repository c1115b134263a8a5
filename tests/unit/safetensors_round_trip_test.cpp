// What is written is what is read: any dtype, shape and stride.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "a8w8/checkpoint.h"
#include "support/checkpoint_files.h"

namespace a8w8 {
namespace {

using testing::expect_error;
using testing::safetensors_bytes;
using testing::TempFolder;

// A view of random bytes: a random box of a larger tensor, its dimensions permuted, some of them broadcast or reversed.
struct RandomTensor {
  std::vector<std::byte> storage;
  ConstTensorView view;

  explicit RandomTensor(std::mt19937& rng) {
    const auto draw = [&rng](int64_t low, int64_t high) {
      return std::uniform_int_distribution<int64_t>(low, high)(rng);
    };
    const DType dtype = static_cast<DType>(draw(0, kDTypeCount - 1));
    const int64_t element = static_cast<int64_t>(dtype_size(dtype));
    Dims outer, sizes, strides;
    const int rank = static_cast<int>(draw(0, 4));
    for (int d = 0; d < rank; ++d) outer.push_back(draw(1, 9));
    const Dims outer_strides = contiguous_strides(outer);
    storage.resize(static_cast<size_t>(outer.numel() * element));
    for (std::byte& b : storage) b = static_cast<std::byte>(draw(0, 255));
    std::vector<int> order(static_cast<size_t>(rank));
    for (int d = 0; d < rank; ++d) order[static_cast<size_t>(d)] = d;
    std::shuffle(order.begin(), order.end(), rng);
    int64_t offset = 0;
    for (const int d : order) {
      const int64_t step = draw(1, 2), size = draw(0, 9) == 0 ? 0 : (outer[d] + step - 1) / step;
      const int64_t kind = draw(0, 9);
      const int64_t stride = outer_strides[d] * step;
      sizes.push_back(size);
      strides.push_back(kind == 0 ? 0 : kind == 1 ? -stride : stride);
      if (kind == 1 && size > 0) offset += stride * (size - 1);
    }
    view = ConstTensorView(storage.data() + offset * element, dtype, sizes, strides);
  }
};

// The elements of a view in row-major order, by the definition.
std::string row_major_bytes(const ConstTensorView& view) {
  const int64_t element = static_cast<int64_t>(dtype_size(view.dtype));
  std::string bytes;
  for (int64_t i = 0; i < view.numel(); ++i) {
    int64_t rest = i, offset = 0;
    for (int d = view.rank() - 1; d >= 0; --d) {
      offset += rest % view.sizes[d] * view.strides[d];
      rest /= view.sizes[d];
    }
    bytes.append(static_cast<const char*>(view.data) + offset * element, static_cast<size_t>(element));
  }
  return bytes;
}

TEST(SafetensorsRoundTrip, RandomTensorsOfAnyStrides) {
  const TempFolder folder;
  const std::string path = folder / "t.safetensors";
  std::mt19937 rng(20240501);
  for (int round = 0; round < 80; ++round) {
    SCOPED_TRACE(round);
    std::vector<RandomTensor> tensors;
    for (int i = 0; i < round % 8; ++i) tensors.emplace_back(rng);
    std::vector<NamedTensor> named;
    for (size_t i = 0; i < tensors.size(); ++i) named.push_back({"tensor." + std::to_string(i), tensors[i].view});
    write_safetensors(path, named, {{"round", std::to_string(round)}});

    const SafetensorsFile file = SafetensorsFile::open(path);
    ASSERT_EQ(file.tensors().size(), named.size());
    EXPECT_EQ(file.metadata(), (std::vector<std::pair<std::string, std::string>>{{"round", std::to_string(round)}}));
    for (const NamedTensor& expected : named) {
      const ConstTensorView got = file.tensor(expected.name);
      EXPECT_EQ(got.dtype, expected.view.dtype);
      EXPECT_EQ(got.sizes, expected.view.sizes);
      EXPECT_TRUE(got.numel() == 0 || got.is_contiguous());
      EXPECT_EQ(reinterpret_cast<uintptr_t>(got.data) % dtype_size(got.dtype), 0u);
      EXPECT_EQ(row_major_bytes(got), row_major_bytes(expected.view)) << expected.name;
    }
  }
}

TEST(SafetensorsRoundTrip, LongStridedRowsAndWritesAboveTheBuffer) {
  const TempFolder folder;
  std::vector<int32_t> values(1'000'000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int32_t>(i * 2654435761u);
  const ConstTensorView whole(values.data(), DType::kI32, {500, 2000});
  const ConstTensorView every_third(values.data(), DType::kI32, {333'333}, {3});
  write_safetensors(folder / "t", {{"whole", whole}, {"transposed", whole.transposed()}, {"third", every_third}});
  const SafetensorsFile file = SafetensorsFile::open(folder / "t");
  EXPECT_EQ(std::memcmp(file.tensor("whole").data, values.data(), values.size() * 4), 0);
  EXPECT_EQ(row_major_bytes(file.tensor("transposed")), row_major_bytes(whole.transposed()));
  EXPECT_EQ(row_major_bytes(file.tensor("third")), row_major_bytes(every_third));
}

TEST(SafetensorsRoundTrip, KeepsTheGivenOrderAndAlignsTheData) {
  const TempFolder folder;
  const int8_t byte = 7;
  const float number = 1.5f;
  write_safetensors(folder / "t",
                    {{"z", ConstTensorView(&number, DType::kF32, {})}, {"a", ConstTensorView(&byte, DType::kI8, {1})}});
  const SafetensorsFile file = SafetensorsFile::open(folder / "t");
  EXPECT_EQ(file.tensors()[0].name, "z");
  EXPECT_EQ(file.tensors()[1].name, "a");
  EXPECT_EQ(file.tensor("z").rank(), 0);
  EXPECT_EQ(testing::read_bytes(folder / "t").size() % 8, 5u);  // 8 * n of length and header, then 4 + 1
}

TEST(SafetensorsRoundTrip, WritesTheBytesOfTheFormat) {
  const TempFolder folder;
  const int8_t bytes[] = {1, -1};
  write_safetensors(folder / "t", {{"t", ConstTensorView(bytes, DType::kI8, {2})}});
  const std::string header = "{\"t\":{\"dtype\":\"I8\",\"shape\":[2],\"data_offsets\":[0,2]}}    ";
  EXPECT_EQ(testing::read_bytes(folder / "t"), safetensors_bytes(header.substr(0, 56), 0) + "\x01\xff");
}

TEST(SafetensorsRoundTrip, NamesOfAnyCharacters) {
  const TempFolder folder;
  const int8_t byte = 7;
  const ConstTensorView view(&byte, DType::kI8, {1});
  const std::vector<std::string> names = {"quote\"", "back\\slash", "line\n", std::string("nul\0nul", 7),
                                          "层.权重", "/../"};
  std::vector<NamedTensor> tensors;
  for (const std::string& name : names) tensors.push_back({name, view});
  write_safetensors(folder / "t", tensors, {{"层", "\t\"值\""}});
  const SafetensorsFile file = SafetensorsFile::open(folder / "t");
  for (const std::string& name : names) EXPECT_NE(file.find(name), nullptr) << name;
  EXPECT_EQ(file.metadata().at(0).second, "\t\"值\"");
}

TEST(SafetensorsReader, AcceptsForeignButLegalFiles) {
  const TempFolder folder;
  const std::string path = folder / "t";
  // Unpadded header, keys out of order, an empty tensor between others, unknown fields.
  testing::write_bytes(path,
                       safetensors_bytes("{\"b\":{\"data_offsets\":[1,9],\"shape\":[1],\"dtype\":\"F64\",\"more\":1},"
                                         "\"e\":{\"dtype\":\"I32\",\"shape\":[3,0],\"data_offsets\":[1,1]},"
                                         "\"a\":{\"dtype\":\"BOOL\",\"shape\":[1,1],\"data_offsets\":[0,1]}}",
                                         9));
  const SafetensorsFile file = SafetensorsFile::open(path);
  ASSERT_EQ(file.tensors().size(), 3u);
  EXPECT_EQ(file.tensors()[0].name, "a");
  EXPECT_EQ(file.tensors()[1].name, "e");
  EXPECT_EQ(file.tensor("e").numel(), 0);
  EXPECT_EQ(file.tensors()[2].name, "b");
  testing::write_bytes(path, safetensors_bytes("{}  \n\t", 0));
  EXPECT_TRUE(SafetensorsFile::open(path).tensors().empty());
}

// The header's length moves the data through all alignments; wide types must come out aligned and whole at each.
TEST(SafetensorsReader, MisalignedTensorsAreCopiedIntoAlignedMemory) {
  const TempFolder folder;
  const std::string path = folder / "t";
  int in_place = 0, copied = 0;
  for (int pad = 0; pad < 8; ++pad) {
    const std::string header =
        "{\"i\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]},"
        "\"f\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[1,9]}}" +
        std::string(static_cast<size_t>(pad), ' ');
    std::string bytes = safetensors_bytes(header, 1);
    const float values[] = {1.25f, -2.5f};
    bytes.append(reinterpret_cast<const char*>(values), sizeof(values));
    testing::write_bytes(path, bytes);
    const SafetensorsFile file = SafetensorsFile::open(path);
    const ConstTensorView f = file.tensor("f");
    EXPECT_EQ(reinterpret_cast<uintptr_t>(f.data) % sizeof(float), 0u);
    EXPECT_EQ(std::memcmp(f.data, values, sizeof(values)), 0);
    const bool same_mapping =
        static_cast<const std::byte*>(f.data) == static_cast<const std::byte*>(file.tensor("i").data) + 1;
    ++(same_mapping ? in_place : copied);
  }
  EXPECT_EQ(in_place, 2);
  EXPECT_EQ(copied, 6);
}

TEST(SafetensorsReader, ViewsOutliveTheObjectTheyCameFromWhileACopyLives) {
  const TempFolder folder;
  const int32_t value = 42;
  write_safetensors(folder / "t", {{"t", ConstTensorView(&value, DType::kI32, {1})}});
  auto first = std::make_unique<SafetensorsFile>(SafetensorsFile::open(folder / "t"));
  const SafetensorsFile copy = *first;
  const ConstTensorView view = first->tensor("t");
  first.reset();
  std::filesystem::remove(folder / "t");
  EXPECT_EQ(*static_cast<const int32_t*>(view.data), 42);
}

TEST(SafetensorsReader, CarelessWritesNeitherCrashNorReachTheFile) {
  const TempFolder folder;
  const int32_t value = 42;
  write_safetensors(folder / "t", {{"t", ConstTensorView(&value, DType::kI32, {1})}});
  const std::string before = testing::read_bytes(folder / "t");
  {
    const SafetensorsFile file = SafetensorsFile::open(folder / "t");
    *static_cast<int32_t*>(const_cast<void*>(file.tensor("t").data)) = 1;
    EXPECT_EQ(*static_cast<const int32_t*>(file.tensor("t").data), 1);
  }
  EXPECT_EQ(testing::read_bytes(folder / "t"), before);
}

TEST(SafetensorsReader, AbsentTensorsAreNamedWithNearOnes) {
  const TempFolder folder;
  const int32_t value = 42;
  write_safetensors(folder / "t", {{"encoder.0.weight", ConstTensorView(&value, DType::kI32, {1})}});
  const SafetensorsFile file = SafetensorsFile::open(folder / "t");
  EXPECT_EQ(file.find("encoder.0.wieght"), nullptr);
  expect_error(ErrorCode::kNotFound, {folder / "t", "\"encoder.0.wieght\"", "near it: \"encoder.0.weight\""},
               [&] { file.tensor("encoder.0.wieght"); });
  expect_error(ErrorCode::kNotFound, {"near it: \"encoder.0.weight\""}, [&] { file.tensor("encoder.0"); });
}

TEST(SafetensorsWriter, RefusesWhatCannotBeWritten) {
  const TempFolder folder;
  const std::string path = folder / "t";
  const int32_t value = 42;
  const ConstTensorView good(&value, DType::kI32, {1});
  ConstTensorView no_strides = good;
  no_strides.strides = {};
  const auto refuses = [&](const std::vector<std::string>& parts, const std::vector<NamedTensor>& tensors) {
    expect_error(ErrorCode::kInvalidArgument, parts, [&] { write_safetensors(path, tensors); });
  };
  refuses({path, "empty name"}, {{"", good}});
  refuses({path, "\"a\"", "twice"}, {{"a", good}, {"a", good}});
  refuses({path, "__metadata__", "reserves"}, {{"__metadata__", good}});
  refuses({path, "\"a\"", "no data"}, {{"a", ConstTensorView(nullptr, DType::kI32, {1})}});
  refuses({path, "\"a\"", "negative"}, {{"a", ConstTensorView(&value, DType::kI32, {-1}, {1})}});
  refuses({path, "\"a\"", "too large"},
          {{"a", ConstTensorView(&value, DType::kI8, {int64_t{1} << 40, int64_t{1} << 40}, {0, 0})}});
  refuses({path, "\"a\"", "strides"}, {{"a", no_strides}});
  const ConstTensorView huge(&value, DType::kI8, {int64_t{1} << 62}, {0});
  refuses({path, "2^63"}, {{"a", huge}, {"b", huge}});
  refuses({"UTF-8"}, {{"\xff", good}});
  expect_error(ErrorCode::kInvalidArgument, {path, "\"k\"", "twice"}, [&] {
    write_safetensors(path, {}, {{"k", ""}, {"k", ""}});
  });
  EXPECT_TRUE(testing::entries_of(folder.path()).empty());
}

}  // namespace
}  // namespace a8w8
