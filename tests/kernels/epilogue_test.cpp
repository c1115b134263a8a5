// The epilogues against the formula of kernels/epilogue_kernel.h, one element at a time.
#include <algorithm>
#include <random>

#include "support/guard_buffer.h"
#include "support/kernel_cases.h"
#include "support/kernel_float.h"

namespace a8w8::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Sums around the ends of each output's range, at ties of scale 0.5, and beyond 2^24, where the conversion to float
// rounds.
// clang-format off
constexpr int32_t kSums[] = {
    0, 1, -1, 3, -3, 5, -5, 253, 255, 257, -255, -257, 509, 511, -511, -513,
    1 << 24, (1 << 24) + 1, (1 << 24) + 3, -(1 << 24) - 1, 65504, 65519, 65520, -65520, 131039, 131040,
    0x7fffffff, -0x7fffffff - 1, 123456789};
// clang-format on
constexpr float kScales[] = {0.5f,   1.0f,  -1.0f, 0.0f,  -0.0f, 0.0078125f, 1e-3f, 0x1p-24f, 0x1p-25f, 0x1.8p-25f,
                             1e-40f, 1e30f, 3e38f, 0.25f, kInf,  -kInf,      kNan,  0.1f,     1e-30f,   0x1p-15f};
constexpr float kAddends[] = {0.0f, 1.0f, -0.5f, 1e-8f, 65504.0f, -1e30f, kInf, kNan, 0x1p-24f, 1e-40f};
constexpr int32_t kOffsets[] = {0, 1, -1, 127, -128, 255, -256, 100};

template <size_t N, class T>
T pick(const T (&values)[N], std::mt19937& random) {
  return values[random() % N];
}

struct Optional {
  bool bias_i32, offset, row_scale, bias_f32;
};

class EpilogueKernelTest : public KernelTest<EpilogueKernel> {
 protected:
  // All inputs from the lists of special values, or else (`plain`) such as a model has.
  void check(DType out_dtype, int64_t rows, int64_t cols, Optional given, bool plain) {
    SCOPED_TRACE(testing::Message() << dtype_name(out_dtype) << ' ' << rows << " x " << cols
                                    << (plain ? " plain" : " special") << ", given " << given.bias_i32 << given.offset
                                    << given.row_scale << given.bias_f32);
    const int64_t ldc = cols + random_() % 3, ldo = cols + random_() % 3;
    const int64_t size = static_cast<int64_t>(dtype_size(out_dtype));
    GuardBuffer<int32_t> c((rows - 1) * ldc + cols), bias_i32(cols), offset(cols);
    GuardBuffer<float> scale(cols), row_scale(rows), bias_f32(cols);
    GuardBuffer<uint8_t> out(((rows - 1) * ldo + cols) * size);
    std::normal_distribution<float> normal;
    for (int32_t& x : c) x = plain ? static_cast<int32_t>(20000.0f * normal(random_)) : pick(kSums, random_);
    for (int32_t& x : bias_i32) x = plain ? static_cast<int32_t>(500.0f * normal(random_)) : pick(kSums, random_);
    for (int32_t& x : offset) x = pick(kOffsets, random_);
    for (float& x : scale) x = plain ? 0.003f * normal(random_) : pick(kScales, random_);
    for (float& x : row_scale) x = plain ? 0.02f * normal(random_) : pick(kScales, random_);
    for (float& x : bias_f32) x = plain ? normal(random_) : pick(kAddends, random_);
    std::fill(out.begin(), out.end(), kUntouched);

    EpilogueTile tile;
    tile.rows = rows;
    tile.cols = cols;
    tile.c = c.data();
    tile.ldc = ldc;
    tile.bias_i32 = given.bias_i32 ? bias_i32.data() : nullptr;
    tile.scale = out_dtype == DType::kI32 ? nullptr : scale.data();
    tile.offset = given.offset ? offset.data() : nullptr;
    tile.row_scale = given.row_scale ? row_scale.data() : nullptr;
    tile.bias_f32 = given.bias_f32 ? bias_f32.data() : nullptr;
    tile.out_dtype = out_dtype;
    tile.out = out.data();
    tile.ldo = ldo;
    kernel().run(tile);

    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < cols; ++j) expect_element(tile, i, j);
      for (int64_t at = (i * ldo + cols) * size; i + 1 < rows && at < (i + 1) * ldo * size; ++at) {
        ASSERT_EQ(out[at], kUntouched) << "between rows";
      }
    }
    EXPECT_TRUE(out.front_is_intact());
  }

  static void expect_element(const EpilogueTile& t, int64_t i, int64_t j) {
    SCOPED_TRACE(testing::Message() << "row " << i << ", column " << j);
    uint32_t sum = static_cast<uint32_t>(t.c[i * t.ldc + j]);
    if (t.bias_i32) sum += static_cast<uint32_t>(t.bias_i32[j]);
    const int32_t c = static_cast<int32_t>(sum);
    const int64_t at = i * t.ldo + j;
    if (t.out_dtype == DType::kI32) {
      ASSERT_EQ(static_cast<int32_t*>(t.out)[at], c);
      return;
    }
    volatile float y = static_cast<float>(c);  // each step is rounded to float32 and none is fused
    y = y * t.scale[j];
    if (t.out_dtype == DType::kI8) {
      const int32_t q = rint_clamp(y, -256, 255) + (t.offset ? t.offset[j] : 0);
      ASSERT_EQ(static_cast<int8_t*>(t.out)[at], std::clamp(q, -128, 127)) << "from " << y;
      return;
    }
    if (t.row_scale) y = y * t.row_scale[i];
    if (t.bias_f32) y = y + t.bias_f32[j];
    const float expected = y;
    if (t.out_dtype == DType::kF32) {
      const float actual = static_cast<float*>(t.out)[at];
      ASSERT_TRUE(std::isnan(expected) ? std::isnan(actual) : float_bits(actual) == float_bits(expected))
          << actual << " instead of " << expected;
    } else {
      const uint16_t actual = static_cast<uint16_t*>(t.out)[at];
      ASSERT_TRUE(std::isnan(expected) ? is_quiet_nan(actual, t.out_dtype) : actual == narrow(expected, t.out_dtype))
          << std::hex << actual << " from " << expected;
    }
  }

  void check_all_operands(DType out_dtype, int64_t rows, int64_t cols) {
    const bool is_float = is_floating(out_dtype);
    for (int bits = 0; bits < 16; ++bits) {
      const Optional given{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
      if (given.offset && out_dtype != DType::kI8) continue;
      if ((given.row_scale || given.bias_f32) && !is_float) continue;
      for (bool plain : {true, false}) check(out_dtype, rows, cols, given, plain);
    }
  }

  static constexpr uint8_t kUntouched = 0x5a;
  std::mt19937 random_{20240229};
};

constexpr DType kOutputs[] = {DType::kI8, DType::kI32, DType::kF16, DType::kBF16, DType::kF32};

TEST_P(EpilogueKernelTest, AgreesForAllOperandsAndTails) {
  for (DType out_dtype : kOutputs) {
    for (int64_t cols : {1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64}) check_all_operands(out_dtype, 3, cols);
  }
}

TEST_P(EpilogueKernelTest, AgreesOnSpecialValues) {
  for (DType out_dtype : kOutputs) check_all_operands(out_dtype, 7, 301);
}

TEST_P(EpilogueKernelTest, WritesNothingForAnEmptyTile) {
  GuardBuffer<uint8_t> out(0);
  GuardBuffer<int32_t> c(0);
  EpilogueTile tile;
  tile.rows = 2;
  tile.c = c.data();
  tile.out = out.data();
  for (DType out_dtype : kOutputs) {
    tile.out_dtype = out_dtype;
    kernel().run(tile);
  }
  EXPECT_TRUE(out.front_is_intact());
}

// Every pattern of thirteen leading bits, two more than float16 keeps, at every binary exponent: normal, subnormal, tie
// and overflow.
TEST_P(EpilogueKernelTest, RoundsTo16BitsToNearestEven) {
  constexpr int64_t kCols = 4096;
  GuardBuffer<int32_t> c(kCols);
  GuardBuffer<float> scale(kCols);
  GuardBuffer<uint16_t> out(kCols);
  for (int64_t j = 0; j < kCols; ++j) c[j] = static_cast<int32_t>(kCols + j);
  for (DType out_dtype : {DType::kF16, DType::kBF16}) {
    for (int exponent = -149; exponent <= 115; ++exponent) {
      std::fill(scale.begin(), scale.end(), std::ldexp(exponent % 2 ? -1.0f : 1.0f, exponent));
      EpilogueTile tile;
      tile.rows = 1;
      tile.cols = kCols;
      tile.c = c.data();
      tile.scale = scale.data();
      tile.out_dtype = out_dtype;
      tile.out = out.data();
      kernel().run(tile);
      for (int64_t j = 0; j < kCols; ++j) {
        ASSERT_EQ(out[j], narrow(static_cast<float>(c[j]) * scale[j], out_dtype)) << c[j] << " * " << scale[j];
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, EpilogueKernelTest, testing::ValuesIn(kernel_cases(&IsaTable::epilogue)), KernelName());

}  // namespace
}  // namespace a8w8::test
