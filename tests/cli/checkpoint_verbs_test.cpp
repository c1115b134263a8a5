// a8w8 inspect and a8w8 layer: output, JSON, exit statuses.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "a8w8/checkpoint.h"
#include "support/checkpoint_folders.h"
#include "support/program.h"

namespace a8w8::cli {
namespace {

using testing::run_program;

const std::string kData = A8W8_TEST_DATA;
const std::string kLayer = "model.layers.1.mlp.down_proj";

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(InspectVerb, TellsWhatAGoodFolderHolds) {
  const auto result = run_program("inspect '" + kData + "/compressed-tensors-dyn-bf16'");
  EXPECT_EQ(result.status, 0);
  for (const char* part : {"compressed-tensors checkpoint: 14 layers int8 dynamic; the rest is bfloat16",
                           "model: Qwen2ForCausalLM in bfloat16", "lm_head, model.embed_tokens", "nothing is wrong"}) {
    EXPECT_TRUE(contains(result.output, part)) << part << "\nnot in\n" << result.output;
  }
  const auto json = run_program("inspect --json '" + kData + "/msmodelslim-v1-static-bf16'");
  EXPECT_EQ(json.status, 0);
  EXPECT_EQ(nlohmann::json::parse(json.output)["groups"][0]["layers"], 14);
}

TEST(InspectVerb, ListsAllThatIsWrongAndExitsWithOne) {
  const testing::TempFolder folder;
  testing::CheckpointBuilder builder;
  builder.static_layer("a").f32("a.deq_scale", "W8A8", {3}, {0}).remove("a.quant_bias");
  testing::write_msmodelslim(folder, builder, "\"kv_cache_type\":\"C8\"");
  const auto result = run_program("inspect '" + folder.path() + "'");
  EXPECT_EQ(result.status, 1);
  for (const char* part :
       {"2 problems", "model.safetensors, tensor a.deq_scale", "found     has 0 at index 0",
        "expected  finite and greater than 0", "cause     an underflow", "a.quant_bias", "1 warning"}) {
    EXPECT_TRUE(contains(result.output, part)) << part << "\nnot in\n" << result.output;
  }
  const auto json = run_program("inspect --json '" + folder.path() + "'");
  EXPECT_EQ(json.status, 1);
  EXPECT_EQ(nlohmann::json::parse(json.output)["ok"], false);
}

TEST(InspectVerb, WrongUsageIsTwoAndAMissingFolderIsAProblem) {
  EXPECT_EQ(run_program("inspect").status, 2);
  EXPECT_EQ(run_program("inspect --foo .").status, 2);
  const auto result = run_program("inspect /no/such/folder");
  EXPECT_EQ(result.status, 1);
  EXPECT_TRUE(contains(result.output, "/no/such/folder: cannot open: No such file")) << result.output;
}

TEST(LayerVerb, RunsALayerOfEachFormat) {
  for (const char* sample : {"msmodelslim-v1-static-bf16", "msmodelslim-v0-dyn-bf16", "compressed-tensors-dyn-bf16"}) {
    const auto result =
        run_program("layer '" + kData + "/" + sample + "' " + kLayer + " --rows 3 --dtype bfloat16 --json");
    ASSERT_EQ(result.status, 0) << result.output;
    const auto json = nlohmann::json::parse(result.output);
    EXPECT_EQ(json["n"], 128);
    EXPECT_EQ(json["k"], 256);
    EXPECT_EQ(json["output"]["shape"], (std::vector<int64_t>{3, 128}));
    EXPECT_EQ(json["output"]["dtype"], "bfloat16");
    EXPECT_GT(json["output"]["rms"].get<double>(), 0);
    EXPECT_EQ(json["first"].size(), 8u);
  }
}

TEST(LayerVerb, TakesItsInputFromAFile) {
  const testing::TempFolder folder;
  const std::vector<float> x(2 * 256, 0.0f);
  write_safetensors(folder / "x.safetensors", {{"x", {x.data(), DType::kF32, {2, 256}}}});
  const std::string layer = "layer '" + kData + "/msmodelslim-v0-dyn-bf16' " + kLayer;
  const auto result = run_program(layer + " --input '" + (folder / "x.safetensors") + ":x'");
  ASSERT_EQ(result.status, 0) << result.output;
  EXPECT_TRUE(contains(result.output, "output  float32 (2, 128), from 0 to 0")) << result.output;
  EXPECT_TRUE(contains(result.output, "W8A8_DYNAMIC, n = 128, k = 256")) << result.output;
  EXPECT_EQ(run_program(layer + " --input '" + (folder / "x.safetensors") + ":y'").status, 1);
  EXPECT_EQ(run_program(layer + " --input nothing").status, 2);
  EXPECT_EQ(run_program(layer + " --input x:y --rows 3").status, 2);
  EXPECT_EQ(run_program(layer + " --rows 0").status, 2);
  EXPECT_EQ(run_program(layer + " --dtype int8").status, 2);
  const auto wrong = run_program("layer '" + kData + "/msmodelslim-v0-dyn-bf16' model.layers.0.mlp.up_proj --input '" +
                                 (folder / "x.safetensors") + ":x'");
  EXPECT_EQ(wrong.status, 2);
  EXPECT_TRUE(contains(wrong.output, "must be float of shape (..., 128)")) << wrong.output;
}

TEST(LayerVerb, NamesLayersThatAreNotThereOrNotQuantized) {
  const std::string folder = "layer '" + kData + "/msmodelslim-v0-dyn-bf16' ";
  EXPECT_TRUE(contains(run_program(folder + "model.layers.1.mlp.down_prj").output, kLayer));
  const auto result = run_program(folder + "lm_head");
  EXPECT_EQ(result.status, 1);
  EXPECT_TRUE(contains(result.output, "\"lm_head\" is of type FLOAT")) << result.output;
}

}  // namespace
}  // namespace a8w8::cli
