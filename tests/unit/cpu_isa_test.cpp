// Listing, naming and capping of instruction sets, by call and by environment.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "a8w8/context.h"
#include "a8w8/isa.h"
#include "a8w8/status.h"
#include "support/refusal.h"

namespace a8w8 {
namespace {

using testing::refusal;

class EnvironmentTest : public ::testing::Test {
 protected:
  ~EnvironmentTest() override {
    unsetenv("A8W8_MAX_ISA");
    unsetenv("A8W8_NUM_THREADS");
  }
};

TEST(Isa, NamesRoundTrip) {
  for (int i = 0; i < kIsaCount; ++i) EXPECT_EQ(parse_isa(isa_name(static_cast<Isa>(i))), static_cast<Isa>(i));
  EXPECT_EQ(isa_names(Isa::kScalar | Isa::kAvx2), "scalar, avx2");
}

TEST(Isa, ScalarIsAlwaysThere) {
  EXPECT_TRUE(supported_isas().contains(Isa::kScalar));
  EXPECT_TRUE(compiled_isas().contains(Isa::kScalar));
  EXPECT_FALSE(cpu_name().empty());
}

TEST(Isa, CapAdmitsItselfAndWhatIsBelow) {
  const IsaSet all = Isa::kScalar | Isa::kAvx2 | Isa::kAvx512Vnni | Isa::kAmxInt8;
  EXPECT_EQ(capped(all, Isa::kAvx512Vnni), Isa::kScalar | Isa::kAvx2 | Isa::kAvx512Vnni);
  EXPECT_EQ(capped(all, Isa::kScalar), IsaSet(Isa::kScalar));
  EXPECT_EQ(refusal([&] { capped(Isa::kScalar | Isa::kAvx2, Isa::kAmxInt8); }),
            "ISA \"amx_int8\" (AVX512-VNNI and AMX-TILE, AMX-INT8) is not available here; available are scalar, avx2");
}

TEST_F(EnvironmentTest, MaxIsaCapsTheProcess) {
  setenv("A8W8_MAX_ISA", "scalar", 1);
  EXPECT_EQ(usable_isas(), IsaSet(Isa::kScalar));
  EXPECT_EQ(ExecutionContext(1).isas(), IsaSet(Isa::kScalar));
  setenv("A8W8_MAX_ISA", "", 1);
  EXPECT_EQ(usable_isas(), compiled_isas() & supported_isas());
}

TEST_F(EnvironmentTest, UnknownOrMissingIsaIsAnErrorThatNamesTheKnown) {
  setenv("A8W8_MAX_ISA", "avx9000", 1);
  EXPECT_EQ(refusal([] { ExecutionContext ctx(1); }),
            "A8W8_MAX_ISA: ISA \"avx9000\" is unknown; known are scalar, avx2, avx_vnni, avx512_vnni, amx_int8, "
            "neon_dot, neon_i8mm");
  const Isa foreign = supported_isas().contains(Isa::kNeonDot) ? Isa::kAvx2 : Isa::kNeonI8mm;
  setenv("A8W8_MAX_ISA", isa_name(foreign), 1);
  EXPECT_NE(refusal([] { ExecutionContext ctx(1); }).find("is not available here; available are scalar"),
            std::string::npos);
}

TEST_F(EnvironmentTest, NumThreadsIsAWholeNumber) {
  setenv("A8W8_NUM_THREADS", "3", 1);
  EXPECT_EQ(ExecutionContext().num_threads(), 3);
  for (const char* bad : {"0", "-1", "two", "2.5", "99999999999"}) {
    setenv("A8W8_NUM_THREADS", bad, 1);
    EXPECT_EQ(refusal([] { ExecutionContext ctx; }),
              std::string("A8W8_NUM_THREADS is \"") + bad + "\", but must be a whole number from 1 to 4096");
  }
}

}  // namespace
}  // namespace a8w8
