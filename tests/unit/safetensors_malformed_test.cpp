// Files that break the format, one row each: refused with the right code and a message that names the file, the tensor
// where there is one, and what is wrong.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "a8w8/checkpoint.h"
#include "support/checkpoint_files.h"

namespace a8w8 {
namespace {

using testing::expect_error;
using testing::safetensors_bytes;
using testing::TempFolder;

struct BadFile {
  const char* name;
  std::string bytes;
  ErrorCode code;
  std::vector<std::string> message_parts;
};

std::ostream& operator<<(std::ostream& out, const BadFile& file) { return out << file.name; }

std::string little_endian(uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

// One int8 tensor "t" with these fields.
std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "{\"t\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
}

std::string repeat(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

constexpr ErrorCode kCorrupt = ErrorCode::kCorrupt;
constexpr ErrorCode kUnsupported = ErrorCode::kUnsupported;

std::vector<BadFile> bad_prefixes() {
  return {
      {"Empty", "", kCorrupt, {"0 bytes"}},
      {"SevenBytes", std::string(7, '\0'), kCorrupt, {"7 bytes"}},
      {"EmptyHeader", little_endian(0), kCorrupt, {"does not begin with '{'"}},
      {"HeaderLongerThanFile", little_endian(100) + "{}", kCorrupt, {"claims 100 bytes", "10"}},
      {"HeaderLongerThanFormatAllows",
       little_endian(100'000'001) + "{}",
       kCorrupt,
       {"100000001", "allowed are 100000000"}},
      {"HeaderLengthWrapsAround", little_endian(UINT64_MAX) + "{}", kCorrupt, {"18446744073709551615"}},
      {"HeaderLengthNegativeAsSigned", little_endian(uint64_t{1} << 63) + "{}", kCorrupt, {"9223372036854775808"}},
      {"BigEndianLength", std::string("\0\0\0\0\0\0\0\2{}", 10), kCorrupt, {"claims"}},
  };
}

std::vector<BadFile> bad_json() {
  const std::string valid = entry("\"I8\"", "[4]", "[0,4]");
  return {
      {"NotJson", safetensors_bytes("{not json", 0), kCorrupt, {"not valid JSON"}},
      {"CutInTheMiddle", safetensors_bytes(valid.substr(0, 20), 4), kCorrupt, {"not valid JSON"}},
      {"LeadingSpace", safetensors_bytes(" " + valid, 4), kCorrupt, {"begin with '{'"}},
      {"Array", safetensors_bytes("[1]", 0), kCorrupt, {"begin with '{'"}},
      {"TrailingGarbage", safetensors_bytes(valid + "x", 4), kCorrupt, {"not valid JSON"}},
      {"SecondObject", safetensors_bytes(valid + "{}", 4), kCorrupt, {"not valid JSON"}},
      {"GarbageBehindNul", safetensors_bytes(valid + std::string("\0{", 2), 4), kCorrupt, {"NUL"}},
      {"NotUtf8", safetensors_bytes("{\"\xff\xfe\":{}}", 0), kCorrupt, {"not valid JSON", "UTF-8"}},
      {"LoneSurrogate", safetensors_bytes("{\"\\ud800\":{}}", 0), kCorrupt, {"not valid JSON"}},
      {"NumberOutOfRange", safetensors_bytes(entry("\"I8\"", "[1e999]", "[0,4]"), 4), kCorrupt, {"not valid JSON"}},
      {"DeepArrays", safetensors_bytes("{\"t\":" + repeat("[", 1'000'000), 0), kCorrupt, {"nested deeper"}},
      {"DeepObjects", safetensors_bytes(repeat("{\"a\":", 1'000'000), 0), kCorrupt, {"nested deeper"}},
      {"TensorTwice",
       safetensors_bytes("{\"t\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                         "\"t\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
                         2),
       kCorrupt,
       {"\"t\"", "twice"}},
      {"FieldTwice",
       safetensors_bytes("{\"t\":{\"dtype\":\"I8\",\"dtype\":\"U8\"}}", 0),
       kCorrupt,
       {"\"dtype\"", "twice"}},
      {"MetadataKeyTwice",
       safetensors_bytes("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0),
       kCorrupt,
       {"\"a\"", "twice"}},
      {"MetadataNotObject", safetensors_bytes("{\"__metadata__\":\"x\"}", 0), kCorrupt, {"__metadata__"}},
      {"MetadataValueNotString",
       safetensors_bytes("{\"__metadata__\":{\"a\":1}}", 0),
       kCorrupt,
       {"__metadata__", "\"a\""}},
  };
}

std::vector<BadFile> bad_entries() {
  return {
      {"EmptyName", safetensors_bytes("{\"\":{}}", 0), kCorrupt, {"empty name"}},
      {"EntryNotObject", safetensors_bytes("{\"t\":[1]}", 0), kCorrupt, {"\"t\"", "not an object"}},
      {"EntryNull", safetensors_bytes("{\"t\":null}", 0), kCorrupt, {"\"t\"", "null", "not an object"}},
      {"NoDtype",
       safetensors_bytes("{\"t\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1),
       kCorrupt,
       {"\"t\"", "\"dtype\""}},
      {"NoShape",
       safetensors_bytes("{\"t\":{\"dtype\":\"I8\",\"data_offsets\":[0,1]}}", 1),
       kCorrupt,
       {"\"t\"", "\"shape\""}},
      {"NoOffsets",
       safetensors_bytes("{\"t\":{\"dtype\":\"I8\",\"shape\":[1]}}", 1),
       kCorrupt,
       {"\"t\"", "\"data_offsets\""}},
      {"DtypeNotString", safetensors_bytes(entry("8", "[4]", "[0,4]"), 4), kCorrupt, {"\"t\"", "dtype is 8"}},
      {"DtypeOfNobody", safetensors_bytes(entry("\"I9\"", "[4]", "[0,4]"), 4), kUnsupported, {"\"t\"", "I9", "BF16"}},
      {"DtypeLowerCase", safetensors_bytes(entry("\"i8\"", "[4]", "[0,4]"), 4), kUnsupported, {"\"t\"", "i8", "I8"}},
      {"DtypeOfOthers", safetensors_bytes(entry("\"F8_E4M3\"", "[4]", "[0,4]"), 4), kUnsupported, {"\"t\"", "F8_E4M3"}},
      {"RankNine",
       safetensors_bytes(entry("\"I8\"", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1),
       kUnsupported,
       {"\"t\"", "9", "8"}},
      {"ShapeNotArray", safetensors_bytes(entry("\"I8\"", "4", "[0,4]"), 4), kCorrupt, {"\"t\"", "shape is 4"}},
      {"NegativeSize", safetensors_bytes(entry("\"I8\"", "[-4]", "[0,4]"), 4), kCorrupt, {"\"t\"", "-4"}},
      {"NegativePair", safetensors_bytes(entry("\"I8\"", "[-2,-2]", "[0,4]"), 4), kCorrupt, {"\"t\"", "-2"}},
      {"FractionalSize", safetensors_bytes(entry("\"I8\"", "[4.0]", "[0,4]"), 4), kCorrupt, {"\"t\"", "4.0"}},
      {"SizeAsText",
       safetensors_bytes(entry("\"I8\"", "[\"4\"]", "[0,4]"), 4),
       kCorrupt,
       {"\"t\"", "sizes are integers"}},
      {"SizeAbove63Bits", safetensors_bytes(entry("\"I8\"", "[9223372036854775808]", "[0,4]"), 4), kCorrupt, {"\"t\""}},
      {"SizeAbove64Bits",
       safetensors_bytes(entry("\"I8\"", "[18446744073709551620]", "[0,4]"), 4),
       kCorrupt,
       {"\"t\""}},
      {"ProductOverflows",
       safetensors_bytes(entry("\"I8\"", "[4294967296,4294967297]", "[0,4]"), 4),
       kCorrupt,
       {"\"t\"", "63 bits"}},
      {"ProductWrapsToRightSize",  // (2^62 + 1) * 4 is 4 modulo 2^64
       safetensors_bytes(entry("\"I32\"", "[4611686018427387905]", "[0,4]"), 4),
       kCorrupt,
       {"\"t\"", "63 bits"}},
      {"OverflowHiddenByZero",
       safetensors_bytes(entry("\"I8\"", "[0,4294967296,4294967296]", "[0,0]"), 0),
       kCorrupt,
       {"\"t\"", "63 bits"}},
      {"SizeDoesNotMatchOffsets",
       safetensors_bytes(entry("\"F32\"", "[4]", "[0,4]"), 4),
       kCorrupt,
       {"\"t\"", "16 bytes", "span 4"}},
  };
}

std::vector<BadFile> bad_offsets() {
  const auto two = [](const std::string& a, const std::string& b) {
    return "{\"a\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":" + a +
           "},\"b\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":" + b + "}}";
  };
  return {
      {"OffsetsNotArray", safetensors_bytes(entry("\"I8\"", "[4]", "4"), 4), kCorrupt, {"\"t\"", "data_offsets"}},
      {"OneOffset", safetensors_bytes(entry("\"I8\"", "[4]", "[4]"), 4), kCorrupt, {"\"t\"", "data_offsets"}},
      {"ThreeOffsets", safetensors_bytes(entry("\"I8\"", "[4]", "[0,4,4]"), 4), kCorrupt, {"\"t\"", "data_offsets"}},
      {"NegativeOffset", safetensors_bytes(entry("\"I8\"", "[4]", "[-4,0]"), 4), kCorrupt, {"\"t\"", "[-4,0]"}},
      {"OffsetsReversed",
       safetensors_bytes(entry("\"I8\"", "[4]", "[4,0]"), 4),
       kCorrupt,
       {"\"t\"", "before they begin"}},
      {"PastTheEnd",
       safetensors_bytes(entry("\"I8\"", "[5]", "[0,5]"), 4),
       kCorrupt,
       {"\"t\"", "past the 4 bytes", "cut short"}},
      {"FarPastTheEnd",
       safetensors_bytes(entry("\"I8\"", "[9223372036854775807]", "[0,9223372036854775807]"), 4),
       kCorrupt,
       {"\"t\""}},
      {"Overlap", safetensors_bytes(two("[0,4]", "[2,6]"), 6), kCorrupt, {"\"b\"", "overlaps", "\"a\""}},
      {"SameBytes", safetensors_bytes(two("[0,4]", "[0,4]"), 4), kCorrupt, {"\"b\"", "overlaps", "\"a\""}},
      {"Gap", safetensors_bytes(two("[0,4]", "[5,9]"), 9), kCorrupt, {"\"b\"", "no gaps"}},
      {"GapAtTheBeginning", safetensors_bytes(entry("\"I8\"", "[4]", "[4,8]"), 8), kCorrupt, {"\"t\"", "no gaps"}},
      {"DataBehindTheLastTensor",
       safetensors_bytes(entry("\"I8\"", "[4]", "[0,4]"), 5),
       kCorrupt,
       {"end at byte 4", "holds 5"}},
      {"DataWithoutTensors", safetensors_bytes("{}", 1), kCorrupt, {"end at byte 0", "holds 1"}},
      {"EmptyTensorInsideAnother",
       safetensors_bytes("{\"a\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                         "\"e\":{\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[2,2]}}",
                         4),
       kCorrupt,
       {"\"e\"", "overlaps"}},
  };
}

class MalformedSafetensors : public ::testing::TestWithParam<BadFile> {};

TEST_P(MalformedSafetensors, IsRefusedWithAClearMessage) {
  const TempFolder folder;
  const std::string path = folder / "bad.safetensors";
  testing::write_bytes(path, GetParam().bytes);
  std::vector<std::string> parts = GetParam().message_parts;
  parts.push_back(path);
  expect_error(GetParam().code, parts, [&path] { SafetensorsFile::open(path); });
}

std::string row_name(const ::testing::TestParamInfo<BadFile>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Prefix, MalformedSafetensors, ::testing::ValuesIn(bad_prefixes()), row_name);
INSTANTIATE_TEST_SUITE_P(Json, MalformedSafetensors, ::testing::ValuesIn(bad_json()), row_name);
INSTANTIATE_TEST_SUITE_P(Entry, MalformedSafetensors, ::testing::ValuesIn(bad_entries()), row_name);
INSTANTIATE_TEST_SUITE_P(Offsets, MalformedSafetensors, ::testing::ValuesIn(bad_offsets()), row_name);

// Every prefix of a valid file is a file that was cut short.
TEST(MalformedSafetensorsFile, EveryTruncationIsRefused) {
  const TempFolder folder;
  const std::string path = folder / "cut.safetensors";
  const std::string valid = safetensors_bytes(entry("\"F32\"", "[2,3]", "[0,24]"), 24);
  testing::write_bytes(path, valid);
  ASSERT_EQ(SafetensorsFile::open(path).tensors().size(), 1u);
  for (size_t length = 0; length < valid.size(); ++length) {
    testing::write_bytes(path, valid.substr(0, length));
    expect_error(kCorrupt, {path}, [&path] { SafetensorsFile::open(path); });
  }
}

// Whatever one byte of the header becomes: either an Error, or a file whose tensors lie inside the data.
TEST(MalformedSafetensorsFile, AnyChangedHeaderByteIsSafe) {
  const TempFolder folder;
  const std::string path = folder / "changed.safetensors";
  const std::string valid = safetensors_bytes(entry("\"I8\"", "[2,3]", "[0,6]"), 6);
  int accepted = 0, refused = 0;
  for (size_t i = 0; i < valid.size() - 6; ++i) {
    for (const char c : {'\0', '"', '{', '}', '[', ']', ',', ':', '-', '0', '9', 'e', '\xff'}) {
      std::string bytes = valid;
      bytes[i] = c;
      testing::write_bytes(path, bytes);
      try {
        const SafetensorsFile file = SafetensorsFile::open(path);
        for (const NamedTensor& tensor : file.tensors()) EXPECT_EQ(tensor.view.numel(), 6);
        ++accepted;
      } catch (const Error& e) {
        EXPECT_NE(std::string(e.what()).find(path), std::string::npos);
        ++refused;
      }
    }
  }
  EXPECT_GT(accepted, 0);  // a letter of the name, a size that stays what it was
  EXPECT_GT(refused, accepted);
}

TEST(MalformedSafetensorsFile, NamesAreCutAndEscapedInMessages) {
  const TempFolder folder;
  const std::string path = folder / "names.safetensors";
  testing::write_bytes(path, safetensors_bytes("{\"line\\nbreak" + std::string(100'000, 'n') + "\":1}", 0));
  try {
    SafetensorsFile::open(path);
    FAIL() << "no error";
  } catch (const Error& e) {
    const std::string message = e.what();
    EXPECT_NE(message.find("line\\nbreak"), message.npos);
    EXPECT_EQ(message.find('\n'), message.npos);
    EXPECT_LT(message.size(), 1000u);
  }
}

TEST(MalformedSafetensorsFile, AbsentAndSpecialFilesAreNamed) {
  const TempFolder folder;
  expect_error(ErrorCode::kNotFound, {folder / "none", "No such file"},
               [&] { SafetensorsFile::open(folder / "none"); });
  expect_error(ErrorCode::kIo, {folder.path(), "not a regular file"}, [&] { SafetensorsFile::open(folder.path()); });
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  expect_error(ErrorCode::kIo, {"fifo", "not a regular file"}, [&] { SafetensorsFile::open(folder / "fifo"); });
}

}  // namespace
}  // namespace a8w8
