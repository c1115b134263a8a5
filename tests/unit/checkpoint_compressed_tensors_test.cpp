// compressed-tensors folders: which layer is in which group, what is accepted, what is refused and in which words.
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "a8w8/checkpoint.h"
#include "support/checkpoint_folders.h"

namespace a8w8 {
namespace {

using namespace testing;  // folders and builders
using Names = std::vector<std::string>;

CheckpointBuilder layer(const std::string& name) {
  CheckpointBuilder builder;
  return builder.i8(name + ".weight", "", {3, 4}, {1, -2, 3}).f32(name + ".weight_scale", "", {3, 1}, {0.5f});
}

CheckpointBuilder two_layers() {
  CheckpointBuilder builder = layer("m.fc1");
  builder.i8("m.fc2.weight", "", {2, 4}, {5}).f32("m.fc2.weight_scale", "", {2, 1}, {0.25f});
  builder.f32("m.fc2.input_scale", "", {1}, {0.125f});
  return builder.f32("lm_head.weight", "", {2, 4}, {1}).f32("m.norm.weight", "", {4}, {1});
}

TEST(CompressedTensors, SampleOfTheToolIsUnderstood) {
  const Checkpoint checkpoint = Checkpoint::open(A8W8_TEST_DATA "/compressed-tensors-dyn-bf16");
  EXPECT_EQ(checkpoint.format(), CheckpointFormat::kCompressedTensors);
  EXPECT_EQ(checkpoint.scheme(), "compressed-tensors checkpoint: 14 layers int8 dynamic; the rest is bfloat16");
  EXPECT_EQ(checkpoint.model_dtype(), DType::kBF16);
  EXPECT_TRUE(checkpoint.warnings().empty());
  const LayerParameters q = checkpoint.layer("model.layers.0.self_attn.q_proj");
  EXPECT_EQ(q.scheme, LayerScheme::kDynamic);
  EXPECT_EQ(q.weight.data, checkpoint.tensor("model.layers.0.self_attn.q_proj.weight").data);  // in place
  EXPECT_EQ(q.weight_scale->data, checkpoint.tensor("model.layers.0.self_attn.q_proj.weight_scale").data);
  EXPECT_EQ(q.bias->sizes, Dims({128}));
  EXPECT_FALSE(checkpoint.layer("model.layers.1.mlp.down_proj").bias.has_value());
  EXPECT_EQ(checkpoint.layer_of("model.layers.0.self_attn.q_proj.weight_scale"), "model.layers.0.self_attn.q_proj");
  EXPECT_EQ(checkpoint.layer_of("lm_head.weight"), "");
}

TEST(CompressedTensors, ExactNamesBeatPatternsAndPatternsBeatClasses) {
  const TempFolder folder;
  const std::string groups = R"("g0":)" + config_group(kInt8Channel, kDynamicToken) + R"(,"g1":)" +
                             config_group(kInt8Channel, kStaticTensor, R"(["re:m\\.fc[2-9]$"])") + R"(,"g2":)" +
                             config_group(kInt8Channel, kDynamicToken, R"(["m.fc3"])");
  CheckpointBuilder builder = two_layers();
  builder.i8("m.fc3.weight", "", {2, 4}, {5}).f32("m.fc3.weight_scale", "", {2, 1}, {0.25f});
  write_compressed(folder, builder, quantization_config(groups));
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  EXPECT_EQ(checkpoint.quantized_layers(), (Names{"m.fc1", "m.fc2", "m.fc3"}));
  EXPECT_EQ(checkpoint.quant_type("m.fc1"), "int8 dynamic");
  EXPECT_EQ(checkpoint.quant_type("m.fc2"), "int8 static");
  EXPECT_EQ(checkpoint.quant_type("m.fc3"), "int8 dynamic");
  EXPECT_EQ(checkpoint.quant_type("lm_head"), "FLOAT");
}

TEST(CompressedTensors, AcceptsEveryShapeOfAScaleAndOlderWords) {
  const TempFolder folder;
  for (const Dims& sizes : {Dims({}), Dims({1}), Dims({1, 1}), Dims({3}), Dims({3, 1})}) {
    CheckpointBuilder builder = layer("a");
    builder.f32("a.weight_scale", "", sizes, {0.5f}).f32("a.input_scale", "", {}, {0.125f});
    builder.i8("a.weight_zero_point", "", {3, 1}, {0}).i8("a.input_zero_point", "", {}, {0});
    write_compressed(folder, builder,
                     quantization_config(R"("group_0":)" + config_group(kInt8Channel, kStaticTensor),
                                         R"("quantization_status":"compressed","sparsity_config":{"format":"dense"},)"
                                         R"("transform_config":{"config_groups":{}},"kv_cache_scheme":null)",
                                         "naive-quantized"));
    const LayerParameters parameters = Checkpoint::open(folder.path()).layer("a");
    EXPECT_EQ(parameters.deq_scale->sizes, Dims({3}));
  }
  write_bytes(folder / "config.json", R"({"compression_config":)" + one_group(kInt4Channel, kDynamicToken) + "}");
  EXPECT_EQ(Checkpoint::open(folder.path()).quant_type("a"), "int4 dynamic");
}

TEST(CompressedTensors, AQuantizedCacheIsReadOverWithAWarning) {
  const TempFolder folder;
  CheckpointBuilder builder = layer("m.q_proj");
  builder.f32("m.k_scale", "", {1}, {1}).f32("m.v_scale", "", {1}, {1});
  write_compressed(folder, builder,
                   quantization_config(R"("group_0":)" + config_group(kInt8Channel, kDynamicToken),
                                       R"("kv_cache_scheme":{"num_bits":8,"type":"float"})"));
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  ASSERT_EQ(checkpoint.warnings().size(), 1u);
  EXPECT_NE(checkpoint.warnings()[0].find("kv_cache_scheme"), std::string::npos);
  EXPECT_TRUE(checkpoint.is_ignored("m.k_scale"));
  EXPECT_FALSE(checkpoint.is_ignored("m.q_proj.weight"));
}

struct Refused {
  const char* name;
  std::string quantization;
  std::vector<std::string> parts;
  ErrorCode code = ErrorCode::kUnsupported;
};
std::ostream& operator<<(std::ostream& out, const Refused& row) { return out << row.name; }

std::vector<Refused> refused_configs() {
  const auto weights = [](const std::string& fields) {
    return one_group(R"({"num_bits":8,"type":"int",)" + fields + "}", kDynamicToken);
  };
  const auto inputs = [](const std::string& args) { return one_group(kInt8Channel, args); };
  const auto with = [](const std::string& more) {
    return quantization_config(R"("group_0":)" + config_group(kInt8Channel, kDynamicToken), more);
  };
  const auto format = [](const std::string& name) {
    return quantization_config(R"("group_0":)" + config_group(kInt8Channel, kDynamicToken), "", name);
  };
  const auto targets = [](const std::string& list) {
    return quantization_config(R"("group_0":)" + config_group(kInt8Channel, kDynamicToken, list));
  };
  const std::string many(600, 'a'), parentheses(40, '(');
  return {
      {"Fp8", one_group(R"({"num_bits":8,"type":"float","strategy":"tensor"})", kDynamicToken), {"group_0", "fp8"}},
      {"Fp8Format", format("float-quantized"), {"float-quantized", "8-bit floats (fp8)", "needed"}},
      {"Packed", format("pack-quantized"), {"pack-quantized", "int32 words"}},
      {"Marlin", format("marlin-24"), {"Marlin"}},
      {"Nvfp4", format("nvfp4-pack-quantized"), {"nvfp4"}},
      {"NotCompressed", format("dense"), {"only calibrated"}},
      {"UnknownFormat", format("zip"), {"\"zip\"", "does not know"}},
      {"Groups", weights(R"("strategy":"group","group_size":128)"), {"\"group\"", "group_size 128"}},
      {"Blocks", weights(R"("strategy":"block")"), {"\"block\""}},
      {"AsymmetricWeights", weights(R"("strategy":"channel","symmetric":false)"), {"weights that are asymmetric"}},
      {"ActOrder", weights(R"("strategy":"channel","actorder":"group")"), {"activation order"}},
      {"TwoBits", one_group(R"({"num_bits":2,"type":"int","strategy":"channel"})", kDynamicToken), {"2 bits"}},
      {"WeightOnly", inputs("null"), {"W8A16", "weight-only"}},
      {"FourBitInputs", inputs(R"({"num_bits":4,"type":"int","dynamic":true,"strategy":"token"})"), {"to 4 bits"}},
      {"DynamicTensor", inputs(R"({"num_bits":8,"type":"int","dynamic":true,"strategy":"tensor"})"), {"dynamically"}},
      {"DynamicAsymmetric",
       inputs(R"({"num_bits":8,"type":"int","dynamic":true,"strategy":"token","symmetric":false})"),
       {"asymmetrically"}},
      {"StaticToken", inputs(R"({"num_bits":8,"type":"int","dynamic":false,"strategy":"token"})"), {"statically"}},
      {"LocalDynamic", inputs(R"({"num_bits":8,"type":"int","dynamic":"local","strategy":"tensor"})"), {"group_0"}},
      {"Sparse", with(R"("sparsity_config":{"format":"sparse-24-bitmask"})"), {"sparse-24-bitmask"}},
      {"Transform", with(R"("transform_config":{"config_groups":{"u":{}}})"), {"transform_config", "rotations"}},
      {"Outputs",
       quantization_config(R"("g":)" + config_group(kInt8Channel, kDynamicToken, R"(["Linear"])",
                                                    R"(,"output_activations":)" + kStaticTensor)),
       {"output activations"}},
      {"Gptq", R"({"quant_method":"gptq","bits":4})", {"\"gptq\"", "weight-only"}},
      {"FineGrainedFp8", R"({"quant_method":"fp8"})", {"\"fp8\"", "8-bit floats"}},
      {"Bitsandbytes", R"({"quant_method":"bitsandbytes"})", {"bitsandbytes"}},
      {"AscendWithoutDescription", R"({"quant_method":"ascend"})", {"quant_model_description.json"}},
      {"NoMethod", R"({"quant_method":null})", {"does not know"}},
      {"NotAnObject", R"([1])", {"does not know"}},
      {"NoGroups", R"({"quant_method":"compressed-tensors"})", {"config_groups"}, ErrorCode::kCorrupt},
      {"GroupIsNumber", quantization_config(R"("g":7)"), {"\"g\"", "is 7"}},
      {"TargetsAreNumber", targets("5"), {"targets 5"}},
      {"HugePattern", targets(R"(["re:)" + many + R"("])"), {"too long or too complex"}},
      {"NestedPattern", targets(R"(["re:)" + parentheses + R"("])"), {"too long or too complex"}},
      {"BadPattern", targets(R"(["re:["])"), {"\"re:[\"", "not a pattern"}},
      {"BadIgnore", with(R"x("ignore":["re:(?P<x>a)"])x"), {"ignore"}, ErrorCode::kCorrupt},
  };
}

class RefusedConfig : public ::testing::TestWithParam<Refused> {};

TEST_P(RefusedConfig, IsNamed) {
  const TempFolder folder;
  write_compressed(folder, layer("a"), GetParam().quantization);
  std::vector<std::string> parts = GetParam().parts;
  parts.push_back(folder.path() + "/config.json");
  expect_error(GetParam().code, parts, [&] { Checkpoint::open(folder.path()); });
}

INSTANTIATE_TEST_SUITE_P(CompressedTensors, RefusedConfig, ::testing::ValuesIn(refused_configs()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(CompressedTensors, RefusesTensorsThatDoNotFitTheConfig) {
  const TempFolder folder;
  const std::string dynamic = one_group(kInt8Channel, kDynamicToken), fixed = one_group(kInt8Channel, kStaticTensor);
  const std::string asymmetric = one_group(kInt8Channel, kStaticAsymmetric);
  const auto expect = [&](const CheckpointBuilder& builder, const std::string& quantization,
                          const std::vector<std::string>& parts, ErrorCode code = ErrorCode::kCorrupt) {
    write_compressed(folder, builder, quantization);
    expect_error(code, parts, [&] { Checkpoint::open(folder.path()); });
  };
  expect(layer("a"), fixed, {"\"a.input_scale\" is missing", "int8 static"});
  expect(layer("a").f32("a.input_scale", "", {1}, {1}), asymmetric, {"\"a.input_zero_point\" is missing"});
  expect(layer("a").f32("a.input_scale", "", {1}, {0}), fixed, {"\"a.input_scale\"", "greater than 0"});
  expect(layer("a").f32("a.input_scale", "", {1}, {1}).i8("a.input_zero_point", "", {1}, {3}), fixed,
         {"\"a.input_zero_point\" has 3"});
  expect(layer("a").f32("a.input_scale", "", {1}, {1}).f32("a.input_zero_point", "", {1}, {0.5f}), asymmetric,
         {"\"a.input_zero_point\" has 0.5", "integer"});
  expect(layer("a").i8("a.weight_zero_point", "", {3}, {0, 1, 0}), dynamic,
         {"\"a.weight_zero_point\" has 1 at index 1"});
  expect(layer("a").remove("a.weight_scale"), dynamic, {"\"a.weight_scale\" is missing"});
  expect(layer("a").f32("a.weight_scale", "", {3, 2}, {1}), dynamic, {"\"a.weight_scale\" has shape (3, 2)", "groups"});
  expect(layer("a").f32("a.weight", "", {3, 4}, {1}), dynamic, {"\"a.weight\" is float32", "int8"});
  expect(layer("lm_head"), dynamic, {"\"lm_head.weight\"", "ignores the layer"});
  expect(layer("a"), quantization_config(R"("g":)" + config_group(kInt8Channel, kDynamicToken, R"(["b"])")),
         {"\"a.weight\"", "no config group names the layer"});
  CheckpointBuilder builder = layer("a");
  builder.f32("b.weight", "", {2, 2}, {1});
  expect(builder, quantization_config(R"("g":)" + config_group(kInt8Channel, kDynamicToken, R"(["a","b"])")),
         {"\"b.weight\" is float32 without a scale", "\"g\""});
  builder = layer("a");
  builder.set<int32_t>("b.weight_packed", "", DType::kI32, {2}, {1});
  expect(builder, dynamic, {"\"b.weight_packed\"", "int32 words"}, ErrorCode::kUnsupported);
  builder = CheckpointBuilder();
  expect(builder.f32("a.weight", "", {2, 2}, {1}), dynamic, {"no layer of the files is quantized"});
}

}  // namespace
}  // namespace a8w8
