// Shapes as they are typed, and the suites that are compiled in.
#include "cli/shapes.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/refusal.h"

namespace a8w8::cli {
namespace {

using ::a8w8::testing::refusal;

TEST(ParseShape, TakesThreeNumbers) {
  EXPECT_EQ(parse_shape("1,4096,11008"), (Shape{1, 4096, 11008}));
  EXPECT_EQ(parse_shape("16x384x1536"), (Shape{16, 384, 1536}));
  EXPECT_EQ(parse_shape("1,2,3").str(), "1x2x3");
}

TEST(ParseShape, RefusesAnythingElse) {
  for (const char* bad : {"", "1", "1,2", "1,2,", "1,2,3,4", "1,2,3 ", "a,2,3", "0,2,3", "-1,2,3", "1;2;3", "1,,3",
                          "1,2,99999999", "1,2,99999999999999999999"}) {
    EXPECT_EQ(refusal([&] { parse_shape(bad); }),
              std::string("shape \"") + bad + "\" must be m,n,k: three numbers from 1 to 16777216");
  }
}

TEST(Suites, AreThoseThatTheDocumentationNames) {
  const std::vector<std::string> names = suite_names();
  for (const char* name : {"llm-decode", "llm-prefill", "minilm", "all", "quick"}) {
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
    EXPECT_FALSE(suite_shapes(name).empty()) << name;
  }
}

TEST(Suites, AreEveryMWithEveryWeight) {
  const std::vector<Shape> quick = suite_shapes("quick");
  ASSERT_EQ(quick.size(), 6u);
  EXPECT_EQ(quick[0], (Shape{1, 4096, 4096}));
  EXPECT_EQ(quick[1], (Shape{16, 4096, 4096}));
  EXPECT_EQ(quick[3], (Shape{1, 384, 384}));
}

TEST(Suites, AnUnknownNameIsAnErrorThatNamesTheKnown) {
  const std::string message = refusal([] { suite_shapes("slow"); });
  EXPECT_NE(message.find("suite \"slow\" is unknown; known are"), std::string::npos) << message;
  EXPECT_NE(message.find("llm-decode"), std::string::npos) << message;
}

}  // namespace
}  // namespace a8w8::cli
