// float16 and bfloat16, over all 65536 words and against arithmetic in double.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

#include "a8w8/half.h"
#include "ref/element.h"

namespace a8w8 {
namespace {

float from_bits(uint32_t bits) { return std::bit_cast<float>(bits); }

TEST(Half, EveryWordSurvivesTheRoundTrip) {
  for (uint32_t w = 0; w < 65536; ++w) {
    const uint16_t word = static_cast<uint16_t>(w);
    const bool half_nan = (w & 0x7fff) > 0x7c00, bf_nan = (w & 0x7fff) > 0x7f80;
    ASSERT_EQ(float_to_half(half_to_float(word)), half_nan ? w | 0x200 : w);
    ASSERT_EQ(float_to_bfloat16(bfloat16_to_float(word)), bf_nan ? w | 0x40 : w);
    if (!half_nan) {
      ASSERT_EQ(std::bit_cast<uint32_t>(half_to_float(word)), std::bit_cast<uint32_t>(ref::from_half(word)));
    }
  }
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(float_to_half(65519.996f), 0x7bff);
  EXPECT_EQ(float_to_half(65520.0f), 0x7c00);    // the tie above the largest number
  EXPECT_EQ(float_to_half(0x1p-25f), 0x0000);    // half of the smallest subnormal: the tie goes to zero
  EXPECT_EQ(float_to_half(0x1.8p-24f), 0x0002);  // 1.5 units: the tie goes to two
  EXPECT_EQ(float_to_half(-0.0f), 0x8000);
  EXPECT_EQ(float_to_bfloat16(1.00390625f), 0x3f80);
  EXPECT_EQ(float_to_bfloat16(1.01171875f), 0x3f82);
  EXPECT_EQ(float_to_bfloat16(from_bits(0x7f7fffff)), 0x7f80);
}

TEST(Half, AgreesWithArithmeticInDouble) {
  std::mt19937 rng(1);
  for (int i = 0; i < 1000000; ++i) {
    const float x = from_bits(static_cast<uint32_t>(rng()));
    ASSERT_EQ(float_to_half(x), ref::to_half(x)) << x;
    ASSERT_EQ(float_to_bfloat16(x), ref::to_bfloat16(x)) << x;
  }
}

}  // namespace
}  // namespace a8w8
