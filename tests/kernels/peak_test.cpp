// The kernels that tell what a machine can do: they count what they do, and read what they are given, all of it and
// nothing else.
#include <gtest/gtest.h>

#include "support/guard_buffer.h"
#include "support/kernel_cases.h"

namespace a8w8::test {
namespace {

class PeakKernelTest : public KernelTest<PeakKernel> {};

TEST_P(PeakKernelTest, DoesAsManyMultiplyAddsAsItHasSteps) {
  int32_t seed = 0x01010101;
  const int64_t one = kernel().run(1, &seed);
  EXPECT_GT(one, 0);
  EXPECT_EQ(kernel().run(0, &seed), 0);
  EXPECT_EQ(kernel().run(10, &seed), 10 * one);
}

TEST_P(PeakKernelTest, SumsDependOnTheSeedAndOnTheSteps) {
  const auto sums = [&](int32_t seed, int64_t steps) {
    kernel().run(steps, &seed);
    return seed;
  };
  EXPECT_NE(sums(0x01010101, 3), sums(0x01010101, 4));
  EXPECT_NE(sums(0x01010101, 3), sums(0x03010203, 3));
}

TEST_P(PeakKernelTest, ReadsEveryByteOnceAndNoOther) {
  for (const int64_t streams : {1, 2, 3, 8}) {
    GuardBuffer<uint8_t> buffer(streams * 2 * kReadStep);
    std::fill(buffer.begin(), buffer.end(), uint8_t{0});
    EXPECT_EQ(kernel().read(buffer.data(), buffer.size(), streams, 0), 0u);
    for (int64_t i = 0; i < buffer.size(); ++i) {
      buffer[i] = 1;
      // A request for memory that is not there is no access.
      ASSERT_EQ(kernel().read(buffer.data(), buffer.size(), streams, 4096), uint64_t{1} << (8 * (i % 8))) << i;
      buffer[i] = 0;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, PeakKernelTest, testing::ValuesIn(kernel_cases(&IsaTable::peak)), KernelName());

}  // namespace
}  // namespace a8w8::test
