// Rows to int8: against the formula written out with one rounding after each step, for all dtypes and values.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "a8w8/half.h"
#include "make/row_quantizer.h"

namespace a8w8::make {
namespace {

float rounded(float x, DType dtype) {
  if (dtype == DType::kBF16) return bfloat16_to_float(float_to_bfloat16(x));
  return dtype == DType::kF16 ? half_to_float(float_to_half(x)) : x;
}

std::vector<std::byte> row_of(const std::vector<float>& values, DType dtype) {
  std::vector<std::byte> row(values.size() * dtype_size(dtype));
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t half = dtype == DType::kBF16 ? float_to_bfloat16(values[i]) : float_to_half(values[i]);
    dtype == DType::kF32 ? std::memcpy(&row[i * 4], &values[i], 4) : std::memcpy(&row[i * 2], &half, 2);
  }
  return row;
}

struct Result {
  float scale;
  std::vector<int8_t> q;
};

Result quantized(const std::vector<float>& values, DType dtype, const RowRecipe& recipe) {
  const std::vector<std::byte> row = row_of(values, dtype);
  const auto k = static_cast<int64_t>(values.size());
  Result result{row_scale(largest_magnitude(row.data(), dtype, k), dtype, recipe), std::vector<int8_t>(values.size())};
  quantize_row(row.data(), dtype, k, result.scale, recipe.least, result.q.data());
  return result;
}

void expect_formula(const std::vector<float>& values, DType dtype, const RowRecipe& recipe) {
  const Result result = quantized(values, dtype, recipe);
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(rounded(value, dtype)));
  const float scale = rounded(largest / recipe.divisor, dtype);
  ASSERT_EQ(result.scale, scale == 0 ? recipe.empty_scale(dtype) : scale) << dtype_name(dtype);
  for (size_t i = 0; i < values.size(); ++i) {
    const float quotient = rounded(rounded(values[i], dtype) / result.scale, dtype);
    const float expected = std::min(std::max(std::nearbyint(quotient), static_cast<float>(recipe.least)), 127.0f);
    ASSERT_EQ(static_cast<float>(result.q[i]), expected) << dtype_name(dtype) << " " << values[i];
  }
}

constexpr DType kDTypes[] = {DType::kF32, DType::kBF16, DType::kF16};
constexpr const RowRecipe* kRecipes[] = {&kMsModelSlim, &kCompressedTensors};

TEST(RowQuantizer, FollowsTheFormulaForAnyLengthAndMagnitude) {
  std::mt19937 random(7);
  for (const DType dtype : kDTypes) {
    for (const RowRecipe* recipe : kRecipes) {
      for (int round = 0; round < 200; ++round) {
        const float exponent = std::uniform_real_distribution<float>(-24, 4)(random);
        std::normal_distribution<float> value(0, std::exp2(exponent));
        std::vector<float> values(1 + random() % 200);
        for (float& v : values) v = value(random);
        expect_formula(values, dtype, *recipe);
      }
    }
  }
}

// Every float16 as a weight, so that every subnormal and every quotient's rounding occurs.
TEST(RowQuantizer, WidensEveryFloat16) {
  std::vector<float> values;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = half_to_float(static_cast<uint16_t>(bits));
    if (std::isfinite(value) && std::abs(value) < 1e-3f) values.push_back(value);
  }
  for (const RowRecipe* recipe : kRecipes) expect_formula(values, DType::kF16, *recipe);
  std::vector<float> tiny;
  for (uint32_t bits = 1; bits < 300; ++bits) {
    tiny.push_back(half_to_float(static_cast<uint16_t>(bits)));  // scales of few bits: quotients beyond 127
    for (const RowRecipe* recipe : kRecipes) expect_formula(tiny, DType::kF16, *recipe);
  }
}

// bf16(1 / 127) is below 1 / 127, so that the quotient of the largest weight is 127.5: the tools part there.
TEST(RowQuantizer, TheToolsDifferInTheLeastWeight) {
  float largest = 0;
  for (uint16_t bits = 0x3f80; bits < 0x4000 && largest == 0; ++bits) {
    const float x = bfloat16_to_float(bits);
    if (rounded(x / rounded(x / 127, DType::kBF16), DType::kBF16) == 127.5f) largest = x;
  }
  ASSERT_GT(largest, 0);
  EXPECT_EQ(quantized({-largest, largest}, DType::kBF16, kMsModelSlim).q, (std::vector<int8_t>{-127, 127}));
}

TEST(RowQuantizer, RowsOfZerosHaveAScale) {
  for (const DType dtype : kDTypes) {
    EXPECT_EQ(quantized({0, -0.0f, 0}, dtype, kMsModelSlim).scale, 0x1p-14f);
    EXPECT_EQ(quantized({0, -0.0f, 0}, dtype, kMsModelSlim).q, (std::vector<int8_t>{0, 0, 0}));
  }
  EXPECT_EQ(quantized({0}, DType::kBF16, kCompressedTensors).scale, 0x1p-7f);
  EXPECT_EQ(quantized({0}, DType::kF16, kCompressedTensors).scale, 0x1p-10f);
  EXPECT_EQ(quantized({0}, DType::kF32, kCompressedTensors).scale, 0x1p-23f);
}

TEST(RowQuantizer, SeesWhatIsNotFinite) {
  for (const DType dtype : kDTypes) {
    for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN()}) {
      std::vector<float> values(40, 1.0f);
      values[33] = bad;
      const std::vector<std::byte> row = row_of(values, dtype);
      EXPECT_FALSE(std::isfinite(largest_magnitude(row.data(), dtype, 40))) << dtype_name(dtype) << " " << bad;
    }
  }
}

}  // namespace
}  // namespace a8w8::make
