// The quantizers against the formulas of kernels/quantize_kernel.h, one element at a time.
#include <algorithm>
#include <random>
#include <vector>

#include "support/guard_buffer.h"
#include "support/kernel_cases.h"
#include "support/kernel_float.h"

namespace a8w8::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr DType kInputs[] = {DType::kF32, DType::kF16, DType::kBF16};
constexpr int64_t kLengths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 100};

// Ties, ends of the range, and what is no number. A 16-bit input gets the nearest that it has.
constexpr float kSpecial[] = {0.0f,   -0.0f, 0.5f,  -0.5f, 1.5f,   2.5f, -2.5f, 126.5f, 127.5f, -128.5f, -127.5f,
                              300.0f, 1e9f,  -1e9f, 3e38f, 1e-40f, kInf, -kInf, kNan,   -kNan,  1e-30f,  64.0f};
constexpr float kScales[] = {1.0f, 0.5f, -1.0f, 2.0f, 0.0f, -0.0f, 3.0f, 1e-40f, 1e38f, kInf, kNan, 0.1f};
constexpr float kZeroPoints[] = {0.0f, 1.0f, -3.0f, 0.5f, 127.0f, -200.0f, kNan, kInf};

// A row of one of the input types, and what it is as float32.
struct Input {
  GuardBuffer<uint8_t> bytes;
  DType dtype;
  std::vector<float> values;

  template <class Draw>
  Input(DType dtype, int64_t n, Draw draw) : bytes(n * static_cast<int64_t>(dtype_size(dtype))), dtype(dtype) {
    for (int64_t j = 0; j < n; ++j) {
      float x = draw();
      if (dtype == DType::kF32) {
        std::memcpy(bytes.data() + 4 * j, &x, 4);
      } else {
        const uint16_t h = std::isnan(x) ? 0x7fff : narrow(x, dtype);
        std::memcpy(bytes.data() + 2 * j, &h, 2);
        x = widen(h, dtype);
      }
      values.push_back(x);
    }
  }
};

class QuantizeKernelTest : public KernelTest<QuantizeKernel> {
 protected:
  float plain() { return 20.0f * normal_(random_); }
  template <size_t N>
  float pick(const float (&values)[N]) {
    return values[random_() % N];
  }

  void check_static(DType dtype, int64_t n, bool per_element, bool with_zero_point, bool divide, bool special) {
    SCOPED_TRACE(testing::Message() << dtype_name(dtype) << " x " << n << " per element " << per_element
                                    << ", zero point " << with_zero_point << ", divide " << divide << ", special "
                                    << special);
    const Input x(dtype, n, [&] { return special ? pick(kSpecial) : plain(); });
    GuardBuffer<float> scale(per_element ? n : 1), zero_point(per_element ? n : 1);
    for (float& s : scale) s = special ? pick(kScales) : 0.3f;
    for (float& z : zero_point) z = special ? pick(kZeroPoints) : 3.0f;
    GuardBuffer<int8_t> out(n);
    QuantizeRow row;
    row.x = x.bytes.data();
    row.x_dtype = dtype;
    row.n = n;
    row.scale = scale.data();
    row.zero_point = with_zero_point ? zero_point.data() : nullptr;
    row.per_element = per_element;
    row.divide = divide;
    row.out = out.data();
    for (const auto& [lo, hi] : {std::pair(-128, 127), std::pair(-8, 7)}) {
      row.lo = static_cast<float>(lo), row.hi = static_cast<float>(hi);
      kernel().quantize_row(row);
      for (int64_t j = 0; j < n; ++j) {
        const int64_t s = per_element ? j : 0;
        volatile float y = x.values[j];
        y = divide ? y / scale[s] : y * scale[s];
        if (with_zero_point) y = y + zero_point[s];
        ASSERT_EQ(out[j], rint_clamp(y, lo, hi)) << "element " << j << ", " << x.values[j] << " at scale " << scale[s];
      }
    }
    EXPECT_TRUE(out.front_is_intact());
  }

  template <class Draw>
  void check_dynamic(DType dtype, int64_t n, bool with_smooth, Draw draw) {
    SCOPED_TRACE(testing::Message() << dtype_name(dtype) << " x " << n << (with_smooth ? ", smoothed" : ""));
    const Input x(dtype, n, draw);
    GuardBuffer<float> smooth(n);
    for (float& s : smooth) s = 0.5f + 0.1f * plain();
    GuardBuffer<int8_t> out(n);
    DynamicQuantRow row;
    row.x = x.bytes.data();
    row.x_dtype = dtype;
    row.n = n;
    row.smooth = with_smooth ? smooth.data() : nullptr;
    row.out = out.data();
    std::vector<float> v = x.values;
    float max_abs = 0;
    for (int64_t j = 0; j < n; ++j) {
      if (with_smooth) v[j] = v[j] * smooth[j];
      if (std::isnan(v[j]) || std::isnan(max_abs)) {
        max_abs = kNan;
      } else {
        max_abs = std::max(max_abs, std::fabs(v[j]));
      }
    }
    for (const int top : {127, 7}) {
      row.max = static_cast<float>(top);
      const float scale = kernel().dynamic_quant_row(row);
      const float expected_scale = max_abs / row.max;
      ASSERT_TRUE(std::isnan(max_abs) ? std::isnan(scale) : float_bits(scale) == float_bits(expected_scale))
          << scale << " instead of " << expected_scale;
      for (int64_t j = 0; j < n; ++j) {
        volatile float y = v[j];
        y = y / expected_scale;
        ASSERT_EQ(out[j], rint_clamp(y, -top - 1, top)) << "element " << j << " is " << v[j] << ", scale " << scale;
      }
    }
    EXPECT_TRUE(out.front_is_intact());
  }

  std::mt19937 random_{20240229};
  std::normal_distribution<float> normal_;
};

TEST_P(QuantizeKernelTest, StaticAgreesForAllFormsAndTails) {
  for (DType dtype : kInputs) {
    for (int64_t n : kLengths) {
      for (int form = 0; form < 16; ++form) {
        check_static(dtype, n, (form & 1) != 0, (form & 2) != 0, (form & 4) != 0, (form & 8) != 0);
      }
    }
  }
}

TEST_P(QuantizeKernelTest, StaticAgreesOnSpecialValues) {
  for (DType dtype : kInputs) {
    for (int form = 0; form < 4; ++form) check_static(dtype, 3001, true, (form & 1) != 0, (form & 2) != 0, true);
  }
}

TEST_P(QuantizeKernelTest, WidensEvery16BitInput) {
  for (DType dtype : {DType::kF16, DType::kBF16}) {
    const int64_t n = 1 << 16;
    GuardBuffer<uint16_t> x(n);
    GuardBuffer<float> scale(n);
    GuardBuffer<int8_t> out(n);
    for (int64_t j = 0; j < n; ++j) {
      x[j] = static_cast<uint16_t>(j);
      const float magnitude = std::fabs(widen(x[j], dtype));
      scale[j] = magnitude > 0 && magnitude < kInf ? magnitude / 100.0f : 1.0f;  // so that every mantissa counts
    }
    QuantizeRow row;
    row.x = x.data();
    row.x_dtype = dtype;
    row.n = n;
    row.scale = scale.data();
    row.per_element = true;
    row.out = out.data();
    kernel().quantize_row(row);
    for (int64_t j = 0; j < n; ++j) {
      ASSERT_EQ(out[j], rint_clamp(widen(x[j], dtype) / scale[j], -128, 127)) << std::hex << j;
    }
  }
}

TEST_P(QuantizeKernelTest, DynamicAgreesOnTails) {
  for (DType dtype : kInputs) {
    for (int64_t n : kLengths) {
      for (bool smooth : {false, true}) {
        for (int repeat = 0; repeat < 8; ++repeat) check_dynamic(dtype, n, smooth, [&] { return plain(); });
      }
    }
    check_dynamic(dtype, 4099, true, [&] { return plain(); });
  }
}

TEST_P(QuantizeKernelTest, DynamicAgreesOnTiesZerosSubnormalsInfinitiesAndNans) {
  constexpr float kTies[] = {127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -126.5f, 64.5f};
  constexpr float kTiny[] = {1e-40f, -1e-41f, 0.0f, 1e-45f, 6e-8f};
  for (DType dtype : kInputs) {
    for (int64_t n : kLengths) {
      for (bool smooth : {false, true}) {
        check_dynamic(dtype, n, smooth, [] { return 0.0f; });
        check_dynamic(dtype, n, smooth, [] { return -0.0f; });
        check_dynamic(dtype, n, smooth, [&] { return pick(kTies); });
        check_dynamic(dtype, n, smooth, [&] { return pick(kTiny); });
        check_dynamic(dtype, n, smooth, [&] { return random_() % 8 ? plain() : kInf; });
        check_dynamic(dtype, n, smooth, [&] { return random_() % 8 ? plain() : kNan; });
        check_dynamic(dtype, n, smooth, [&] { return pick(kSpecial); });
      }
    }
  }
}

// Where the largest magnitude is must not matter: each lane, the tail and each sign.
TEST_P(QuantizeKernelTest, DynamicFindsTheMaximumAnywhere) {
  constexpr int64_t kLength = 37;
  for (int64_t position = 0; position < kLength; ++position) {
    for (float peak : {1000.0f, -1000.0f, kNan}) {
      int64_t j = 0;
      check_dynamic(DType::kF32, kLength, false, [&] { return j++ == position ? peak : 1.0f; });
    }
  }
}

// The scale of a row with NaNs is the same NaN on every machine.
TEST_P(QuantizeKernelTest, DynamicReturnsTheDefaultNan) {
  const uint32_t nans[] = {0xffc12345u, 0x7f800001u, 0x7fffffffu};
  for (uint32_t bits : nans) {
    GuardBuffer<uint32_t> x(1);
    GuardBuffer<int8_t> out(1);
    x[0] = bits;
    DynamicQuantRow row;
    row.x = x.data();
    row.n = 1;
    row.out = out.data();
    EXPECT_EQ(float_bits(kernel().dynamic_quant_row(row)), 0x7fc00000u) << std::hex << bits;
    EXPECT_EQ(out[0], 0);
  }
}

INSTANTIATE_TEST_SUITE_P(All, QuantizeKernelTest, testing::ValuesIn(kernel_cases(&IsaTable::quantize)), KernelName());

}  // namespace
}  // namespace a8w8::test
