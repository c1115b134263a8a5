// msModelSlim folders, good and bad: which files are read, what is checked, what is said.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "a8w8/checkpoint.h"
#include "a8w8/half.h"
#include "support/checkpoint_builder.h"
#include "support/checkpoint_files.h"

namespace a8w8 {
namespace {

namespace fs = std::filesystem;
using testing::CheckpointBuilder;
using testing::expect_error;
using testing::TempFolder;
using testing::write_bytes;
using Names = std::vector<std::string>;

constexpr float kInf = std::numeric_limits<float>::infinity();
const float kNan = std::nanf("");

// A folder without index: one weight file and the description.
class CheckpointReader : public ::testing::Test {
 protected:
  void write(const CheckpointBuilder& builder, const std::string& more = "", const std::string& skip = "") {
    write_safetensors(folder_ / "model.safetensors", builder.named());
    write_bytes(folder_ / "quant_model_description.json", builder.description(more, skip));
  }
  Checkpoint open() const { return Checkpoint::open(folder_.path()); }
  void expect_refused(std::vector<std::string> parts, ErrorCode code = ErrorCode::kCorrupt) const {
    parts.push_back(folder_.path());
    expect_error(code, parts, [this] { open(); });
  }
  void write_and_expect_refused(const CheckpointBuilder& builder, const std::vector<std::string>& parts) {
    write(builder);
    expect_refused(parts);
  }

  TempFolder folder_;
};

TEST_F(CheckpointReader, ListsQuantizedLayersOnly) {
  CheckpointBuilder builder;
  builder.static_layer("a").dynamic_layer("b").f32("norm.weight", "FLOAT", {4}, {1});
  builder.i8("c.weight", "W4A8_DYNAMIC", {2, 4}, {1})
      .f32("c.weight_scale", "W4A8_DYNAMIC", {4, 1}, {1})
      .f32("norm2.weight", "W8A8", {4}, {1})
      .f32("norm2.bias", "W8A8", {4}, {1});
  write(builder,
        "\"version\":\"1.0.0\",\"model_quant_type\":\"W8A8\",\"group_size\":0,\"metadata\":{\"a\":{\"b\":[1]}},"
        "\"fa_quant_type\":\"FAQuant\",\"layers.0.attn.quant_type\":\"FAQuant\",\"kv_cache_type\":\"C8\","
        "\"kv_quant_type\":\"C8\",\"reduce_quant_type\":\"per_channel\",\"optional\":{}");
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.quantized_layers(), (Names{"a", "b", "c"}));
  EXPECT_EQ(checkpoint.quant_type("c"), "W4A8_DYNAMIC");
  EXPECT_EQ(checkpoint.quant_type("norm"), "FLOAT");
  EXPECT_TRUE(checkpoint.contains("a.deq_scale"));
  EXPECT_FALSE(checkpoint.contains("a"));
  EXPECT_EQ(checkpoint.tensor("b.weight").sizes, Dims({3, 4}));
}

TEST_F(CheckpointReader, NamesAbsentTensorsAndNearOnes) {
  write(CheckpointBuilder().static_layer("fc1"));
  const Checkpoint checkpoint = open();
  expect_error(ErrorCode::kNotFound, {"\"fc1.wieght\"", "\"fc1.weight\""}, [&] { checkpoint.tensor("fc1.wieght"); });
  expect_error(ErrorCode::kNotFound, {"\"fc2.weight\"", "\"fc1.weight\""}, [&] { checkpoint.quant_type("fc2"); });
}

TEST_F(CheckpointReader, AcceptsEveryShapeAndDtypeOfTheFormat) {
  CheckpointBuilder builder;
  builder.static_layer("a").static_layer("b").static_layer("c").dynamic_layer("d").dynamic_layer("e");
  // Two's complement of bit patterns: zero-extended, and with the flags of the Ascend's packed form above.
  builder.set<int64_t>("a.deq_scale", "W8A8", DType::kI64, {3},
                       {0x38c2454d, 0x38c2454d | int64_t{1} << 46, 0x7f7fffff});
  builder.set<uint16_t>("a.input_scale", "W8A8", DType::kBF16, {}, {float_to_bfloat16(0.01f)});
  builder.set<int8_t>("a.input_offset", "W8A8", DType::kI8, {1}, {-128});
  builder.f32("b.deq_scale", "W8A8", {3, 1}, {0.5f}).f32("b.input_scale", "W8A8", {1, 1}, {1});
  builder.set<int32_t>("b.quant_bias", "W8A8", DType::kI32, {3, 1}, {INT32_MIN});
  builder.set<uint16_t>("b.input_offset", "W8A8", DType::kF16, {}, {float_to_half(127)});
  builder.f32("c.weight_scale", "W8A8", {3, 1}, {1})
      .f32("c.weight_offset", "W8A8", {3, 1}, {0})
      .f32("c.bias", "FLOAT", {3}, {1});
  builder.set<uint16_t>("d.weight_scale", "W8A8_DYNAMIC", DType::kF16, {3}, {1});  // subnormal
  builder.remove("e.weight_offset");
  write(builder);
  EXPECT_EQ(open().quantized_layers().size(), 5u);
}

TEST_F(CheckpointReader, RefusesBadValuesDtypesAndShapes) {
  const auto layer = [] { return CheckpointBuilder().static_layer("a").dynamic_layer("d"); };
  for (const auto& [value, shown] : {std::pair{kNan, "nan"}, {kInf, "inf"}, {0.0f, "0"}, {-1.0f, "-1"}}) {
    write_and_expect_refused(layer().f32("a.deq_scale", "W8A8", {3}, {1, value}),
                             {"\"a.deq_scale\"", shown, "index 1", "greater than 0"});
    write_and_expect_refused(layer().f32("a.input_scale", "W8A8", {1}, {value}), {"\"a.input_scale\"", shown});
    if (value != 0)
      write_and_expect_refused(layer().f32("d.weight_scale", "W8A8_DYNAMIC", {3, 1}, {1, 1, value}),
                               {"\"d.weight_scale\"", "index 2", shown});
  }
  for (const float value : {-129.0f, 128.0f, 0.5f, kNan, kInf}) {
    write_and_expect_refused(layer().f32("a.input_offset", "W8A8", {1}, {value}),
                             {"\"a.input_offset\"", "-128 to 127"});
  }
  const int64_t packed_nan = 0x7fc00000, packed_negative = 0xb8c2454d;
  for (const int64_t value : {packed_nan, packed_negative, int64_t{1} << 46}) {
    write_and_expect_refused(layer().set<int64_t>("a.deq_scale", "W8A8", DType::kI64, {3}, {value}),
                             {"\"a.deq_scale\""});
  }
  write_and_expect_refused(layer().f32("d.weight_offset", "W8A8_DYNAMIC", {3, 1}, {0, 1}),
                           {"\"d.weight_offset\"", "index 1"});
  write_and_expect_refused(layer().f32("a.quant_bias", "W8A8", {3}, {1}), {"\"a.quant_bias\"", "float32", "int32"});
  write_and_expect_refused(layer().f32("a.weight", "W8A8", {3, 4}, {1}), {"\"a.weight\"", "float32", "int8"});
  write_and_expect_refused(layer().i8("a.weight", "W8A8", {12}, {1}), {"\"a.weight\"", "(12,)"});
  write_and_expect_refused(layer().i8("a.weight", "W8A8", {3, 0}, {1}), {"\"a.weight\"", "(3, 0)"});
  write_and_expect_refused(layer().f32("a.deq_scale", "W8A8", {4}, {1}), {"\"a.deq_scale\"", "(4,)", "(3,)"});
  write_and_expect_refused(layer().f32("a.deq_scale", "W8A8", {1, 3}, {1}), {"\"a.deq_scale\"", "(1, 3)"});
  write_and_expect_refused(layer().f32("d.weight_scale", "W8A8_DYNAMIC", {3, 2}, {1}),
                           {"\"d.weight_scale\"", "(3, 2)", "groups"});
  write_and_expect_refused(layer().f32("a.bias", "FLOAT", {2}, {1}), {"\"a.bias\"", "(2,)"});
}

TEST_F(CheckpointReader, RefusesLayersWithMissingTensors) {
  for (const std::string name : {"a.deq_scale", "a.quant_bias", "a.input_scale", "a.input_offset"}) {
    write_and_expect_refused(CheckpointBuilder().static_layer("a").remove(name),
                             {"\"" + name + "\" is missing", "W8A8"});
  }
  write_and_expect_refused(CheckpointBuilder().dynamic_layer("d").remove("d.weight_scale"),
                           {"\"d.weight_scale\" is missing", "W8A8_DYNAMIC"});
}

TEST_F(CheckpointReader, ReportsAllFindingsAtOnce) {
  CheckpointBuilder builder;
  builder.static_layer("a").dynamic_layer("b").remove("a.deq_scale").f32("b.weight_scale", "W8A8_DYNAMIC", {3}, {kNan});
  write(builder, "\"ghost.weight\":\"FLOAT\"");
  expect_refused({"3 problems", "\"a.deq_scale\"", "\"b.weight_scale\"", "\"ghost.weight\""});
}

TEST_F(CheckpointReader, CapsTheListOfFindings) {
  CheckpointBuilder builder;
  for (int i = 0; i < 25; ++i)
    builder.dynamic_layer("l" + std::to_string(i)).remove("l" + std::to_string(i) + ".weight_scale");
  write_and_expect_refused(builder, {"25 problems", "\"l0.weight_scale\"", "\"l19.weight_scale\"", "and 5 more"});
}

TEST_F(CheckpointReader, MissingTypesMeanFloatUnlessTheTensorIsInt8) {
  CheckpointBuilder builder;
  builder.static_layer("a").f32("rotary.inv_freq", "FLOAT", {4}, {1});
  write(builder, "", "rotary.inv_freq");
  EXPECT_EQ(open().tensors().back().quant_type, "FLOAT");
  write(builder, "", "a.weight");
  expect_refused({"\"a.weight\"", "int8", "no type"});
  builder.i8("a.weight", "FLOAT", {3, 4}, {1});
  write_and_expect_refused(builder, {"\"a.weight\"", "int8", "FLOAT"});
}

TEST_F(CheckpointReader, RefusesActivationTransformsThatWouldBeIgnored) {
  CheckpointBuilder builder;
  builder.static_layer("a.linear")
      .f32("a.div.mul_scale", "W8A8", {4}, {1})
      .f32("attn.heads_rotation", "FLOAT", {2, 2}, {1});
  builder.f32("flat.left_trans", "FLOAT", {2, 2}, {1}).f32("my_clip_ratio", "FLOAT", {1}, {1});
  write(builder);
  try {
    open();
    FAIL() << "no error";
  } catch (const Error& e) {
    const std::string message = e.what();
    EXPECT_EQ(e.code(), ErrorCode::kUnsupported);
    EXPECT_NE(message.find("3 problems"), message.npos) << message;
    EXPECT_NE(message.find("a.div.mul_scale"), message.npos) << message;
    EXPECT_NE(message.find("attn.heads_rotation"), message.npos) << message;
  }
}

TEST_F(CheckpointReader, FindsTheDescription) {
  expect_error(ErrorCode::kNotFound, {"/nowhere"}, [] { Checkpoint::open("/nowhere"); });
  write_safetensors(folder_ / "w.safetensors", {});
  expect_refused({"quant_model_description*.json"}, ErrorCode::kNotFound);
  write_bytes(folder_ / "quant_model_description_w8a8.json", "{}");
  EXPECT_TRUE(open().tensors().empty());
  write_bytes(folder_ / "quant_model_description_w8a8_dynamic.json", "{}");
  expect_refused({"quant_model_description_w8a8.json", "quant_model_description_w8a8_dynamic.json"});
  write_bytes(folder_ / "quant_model_description.json", "{}");
  EXPECT_TRUE(open().tensors().empty());
  write_bytes(folder_ / "quant_model_description.json", "[]");
  expect_refused({"quant_model_description.json", "no JSON object"});
  write_bytes(folder_ / "quant_model_description.json", "");
  expect_refused({"quant_model_description.json", "not valid JSON"});
  write_bytes(folder_ / "quant_model_description.json", "{\"a\":\"FLOAT\",\"a\":\"W8A8\"}");
  expect_refused({"quant_model_description.json", "\"a\"", "twice"});
  fs::remove(folder_ / "w.safetensors");
  write_bytes(folder_ / "quant_model_description.json", "{}");
  expect_refused({"*.safetensors"}, ErrorCode::kNotFound);
}

TEST_F(CheckpointReader, LooksIntoNoSubfolders) {
  write(CheckpointBuilder().static_layer("a"));
  fs::create_directory(folder_ / "optional");
  write_bytes(folder_ / "optional/quarot.safetensors", "not even one");
  EXPECT_EQ(open().quantized_layers(), Names{"a"});
}

TEST_F(CheckpointReader, ReadsTheToolsOwnFilesBesideThoseOfTheFloatModel) {
  write(CheckpointBuilder().static_layer("a"));
  fs::rename(folder_ / "model.safetensors", folder_ / "quant_model_weight_w8a8.safetensors");
  CheckpointBuilder model;
  write_safetensors(folder_ / "model.safetensors", model.f32("a.weight", "", {3, 4}, {1}).named());
  write_bytes(folder_ / "model.safetensors.index.json", R"({"weight_map":{"a.weight":"model.safetensors"}})");
  EXPECT_EQ(open().quantized_layers(), Names{"a"});
}

TEST_F(CheckpointReader, ADescribedButTiedHeadIsNotMissing) {
  write(CheckpointBuilder().static_layer("a"), R"("lm_head.weight":"FLOAT")");
  expect_refused({"\"lm_head.weight\""});
  write_bytes(folder_ / "config.json", R"({"tie_word_embeddings":true})");
  EXPECT_EQ(open().quantized_layers(), Names{"a"});
}

// Two parts with an index, which each test damages in its way.
class CheckpointIndex : public CheckpointReader {
 protected:
  CheckpointIndex() {
    a_.static_layer("a"), b_.dynamic_layer("b");
    write_safetensors(folder_ / "one.safetensors", a_.named());
    write_safetensors(folder_ / "two.safetensors", b_.named());
    const std::string types_a = a_.description(), types_b = b_.description();
    write_bytes(folder_ / "quant_model_description.json",
                types_a.substr(0, types_a.size() - 1) + "," + types_b.substr(1));
    write_index("\"a.weight\":\"one.safetensors\",\"b.weight\":\"two.safetensors\"");
  }
  void write_index(const std::string& entries) {
    write_bytes(folder_ / "model.safetensors.index.json", "{\"metadata\":{},\"weight_map\":{" + entries + "}}");
  }

  CheckpointBuilder a_, b_;
};

TEST_F(CheckpointIndex, NamesTheFilesToRead) {
  write_safetensors(folder_ / "left_over.safetensors", a_.named());  // would be a duplicate without the index
  EXPECT_EQ(open().quantized_layers(), (Names{"a", "b"}));
}

TEST_F(CheckpointIndex, OfTheToolsOwnNameWins) {
  fs::copy(folder_ / "model.safetensors.index.json", folder_ / "quant_model_weights.safetensors.index.json");
  write_index("\"a.weight\":\"gone.safetensors\"");
  EXPECT_EQ(open().quantized_layers().size(), 2u);
  fs::rename(folder_ / "quant_model_weights.safetensors.index.json", folder_ / "other.safetensors.index.json");
  expect_refused({"model.safetensors.index.json", "other.safetensors.index.json"});
}

TEST_F(CheckpointIndex, WithMissingFilesNamesThemAll) {
  write_index("\"a.weight\":\"one.safetensors\",\"b.weight\":\"three.safetensors\",\"b.bias\":\"four.safetensors\"");
  expect_refused({"three.safetensors", "four.safetensors"}, ErrorCode::kNotFound);
}

TEST_F(CheckpointIndex, WithMissingTensorsNamesThem) {
  write_index("\"a.weight\":\"two.safetensors\",\"b.weight\":\"two.safetensors\",\"c.weight\":\"one.safetensors\"");
  expect_refused({"\"a.weight\"", "two.safetensors", "\"c.weight\"", "one.safetensors"});
}

TEST_F(CheckpointIndex, MayNotLeaveTheFolder) {
  for (const std::string file : {"../one.safetensors", "/etc/passwd", "sub/one.safetensors", "..", "", "a\\\\b"}) {
    write_index("\"a.weight\":\"" + file + "\"");
    expect_refused({"\"a.weight\"", "not a file name", "index.json"});
  }
  write_index("\"a.weight\":1");
  expect_refused({"\"a.weight\"", "not a file name"});
}

TEST_F(CheckpointIndex, MustHaveAWeightMap) {
  for (const std::string json : {"{}", "{\"weight_map\":[]}"}) {
    write_bytes(folder_ / "model.safetensors.index.json", json);
    expect_refused({"index.json", "weight_map"});
  }
}

TEST_F(CheckpointIndex, ATensorInTwoFilesIsAnError) {
  write_safetensors(folder_ / "two.safetensors", a_.named());
  write_index("\"a.weight\":\"one.safetensors\",\"a.deq_scale\":\"two.safetensors\"");
  expect_refused({"\"a.weight\" is in both one.safetensors and two.safetensors", "\"a.input_scale\" is in both"});
}

TEST_F(CheckpointIndex, ADamagedPartIsNamed) {
  fs::resize_file(folder_ / "two.safetensors", fs::file_size(folder_ / "two.safetensors") - 1);
  expect_refused({"two.safetensors", "cut short"});
}

}  // namespace
}  // namespace a8w8
