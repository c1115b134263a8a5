// Wrong answers are found, wherever they are.
#include "cli/answers.h"

#include <gtest/gtest.h>

#include <cstring>

#include "a8w8/context.h"
#include "cli/linear_operands.h"
#include "cli/operands.h"

namespace a8w8::cli {
namespace {

constexpr DType kOutputs[] = {DType::kBF16, DType::kF16, DType::kI8, DType::kI32};

void compute(GemmOperands& operands) {
  ExecutionContext ctx(1);
  quant_matmul(operands.args(), operands.out(), ctx);
}

// Changes one bit of element `index`.
void corrupt(const TensorView& out, int64_t index) {
  static_cast<uint8_t*>(out.data)[static_cast<size_t>(index) * dtype_size(out.dtype)] ^= 1;
}

std::vector<GemmSpec> specs() {
  std::vector<GemmSpec> all;
  for (const DType out : kOutputs) {
    for (const bool bias : {false, true}) all.push_back({.shape = {3, 5, 64}, .out = out, .bias = bias});
    all.push_back({.shape = {3, 5, 64}, .batch = 2, .out = out});
  }
  all.push_back({.shape = {3, 5, 64}, .int4 = true});
  return all;
}

TEST(WrongElement, AcceptsWhatIsRight) {
  for (const GemmSpec& spec : specs()) {
    GemmOperands operands(spec);
    operands.fill_random();
    compute(operands);
    EXPECT_EQ(wrong_element(operands.args(), operands.out(), 40), std::nullopt) << short_name(spec.out);
  }
}

TEST(WrongElement, FindsOneWrongBit) {
  for (const GemmSpec& spec : specs()) {
    GemmOperands operands(spec);
    operands.fill_random();
    compute(operands);
    const TensorView out = operands.out();
    corrupt(out, out.numel() - 1);
    const auto wrong = wrong_element(operands.args(), out);
    ASSERT_TRUE(wrong) << short_name(spec.out);
    EXPECT_EQ(wrong->rfind(spec.batch > 1 ? "result (1, 2, 4) is " : "result (2, 4) is ", 0), 0u) << *wrong;
    EXPECT_NE(wrong->find(", must be "), std::string::npos) << *wrong;
  }
}

TEST(WrongConstant, LooksAtEveryElement) {
  for (const GemmSpec& spec : specs()) {
    GemmOperands operands(spec);
    operands.fill_ones();
    compute(operands);
    const TensorView out = operands.out();
    EXPECT_EQ(wrong_constant(operands.args(), out), std::nullopt) << short_name(spec.out);
    for (int64_t i = 0; i < out.numel(); ++i) {
      corrupt(out, i);
      EXPECT_TRUE(wrong_constant(operands.args(), out)) << i;
      corrupt(out, i);
    }
  }
}

TEST(WrongConstant, OnesGiveKEverywhere) {
  GemmOperands operands({.shape = {2, 3, 200}});
  operands.fill_ones();
  compute(operands);
  EXPECT_EQ(element_value(operands.out(), 5), 200.0);
  GemmOperands requantized({.shape = {2, 3, 200}, .out = DType::kI8});
  requantized.fill_ones();
  compute(requantized);
  EXPECT_EQ(element_value(requantized.out(), 0), 100.0);
}

TEST(LinearOperands, AreCheckedToo) {
  ExecutionContext ctx(1);
  for (const DType in : {DType::kBF16, DType::kF16, DType::kF32}) {
    LinearOperands operands({2, 3, 40}, in);
    linear_dynamic(operands.dynamic_args(), operands.out(), ctx);
    EXPECT_EQ(operands.wrong_dynamic(), std::nullopt) << short_name(in);
    corrupt(operands.out(), 5);
    EXPECT_TRUE(operands.wrong_dynamic()) << short_name(in);

    linear_static(operands.static_args(), operands.out(), ctx);
    EXPECT_EQ(operands.wrong_static(), std::nullopt) << short_name(in);
    corrupt(operands.out(), 0);
    EXPECT_TRUE(operands.wrong_static()) << short_name(in);

    dynamic_quant(operands.quant_args(), operands.quantized(), operands.row_scales(), ctx);
    EXPECT_EQ(operands.wrong_quantized(), std::nullopt) << short_name(in);
    corrupt(operands.quantized(), 79);
    EXPECT_EQ(operands.wrong_quantized(), "row 1 or its scale is wrong") << short_name(in);
  }
}

}  // namespace
}  // namespace a8w8::cli
