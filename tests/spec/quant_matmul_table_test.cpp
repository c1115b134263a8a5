// Walks every combination of dtypes: what a row of the product's table holds is accepted, everything else is refused,
// with a message that names an operand which is really to blame.
#include <gtest/gtest.h>

#include <iterator>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "a8w8/op_table.h"
#include "a8w8/quant_matmul.h"
#include "a8w8/status.h"
#include "support/tensors.h"

namespace a8w8 {
namespace {

constexpr int64_t kM = 2, kN = 3, kK = 4;

using MaybeDType = std::optional<DType>;

// Every dtype of a table, and one of those that pass through files only.
const std::vector<DType> kAll = {DType::kI8,  DType::kU8,   DType::kI32, DType::kI64,
                                 DType::kF16, DType::kBF16, DType::kF32, DType::kF64};

std::vector<MaybeDType> all_or_absent() {
  std::vector<MaybeDType> all(kAll.begin(), kAll.end());
  all.push_back(std::nullopt);
  return all;
}

struct Combination {
  DType x, scale, output;
  MaybeDType offset, bias, pertoken_scale;
  bool per_group = false;

  QuantMatmulArgs args() const {
    const auto vector = [](MaybeDType t, int64_t n) {
      return t ? std::optional(ConstTensorView(nullptr, *t, {n})) : std::nullopt;
    };
    QuantMatmulArgs args;
    args.x1 = ConstTensorView(nullptr, x, {kM, kK});
    args.x2 = ConstTensorView(nullptr, x, {kK, kN});
    args.scale = ConstTensorView(nullptr, scale, {kN});
    args.offset = vector(offset, kN), args.bias = vector(bias, kN), args.pertoken_scale = vector(pertoken_scale, kM);
    args.output_dtype = output;
    if (!per_group) return args;
    // Words of int4: k = 8 * kK, in two groups.
    args.group_sizes = Dims({1, 1, 4 * kK});
    args.scale = ConstTensorView(nullptr, scale, {2, kN});
    if (offset) args.offset = ConstTensorView(nullptr, *offset, {2, kN});
    return args;
  }
};

template <class Visit>
void for_every_combination(Visit visit) {
  const std::vector<MaybeDType> optional_types = all_or_absent();
  for (DType x : {DType::kI8, DType::kI32, DType::kF16})
    for (DType scale : kAll)
      for (DType output : kAll)
        for (MaybeDType offset : optional_types)
          for (MaybeDType bias : optional_types)
            for (MaybeDType pertoken : optional_types)
              for (bool per_group : {false, true})
                visit(Combination{x, scale, output, offset, bias, pertoken, per_group});
}

bool fits(DTypeSet cell, MaybeDType t) { return t ? cell.contains(*t) : cell.allows_absent(); }

bool in_table(const Combination& c, Product product) {
  for (const QuantMatmulRow& r : quant_matmul_table(product)) {
    if (r.per_group == c.per_group && r.x.contains(c.x) && r.scale.contains(c.scale) && r.output.contains(c.output) &&
        fits(r.offset, c.offset) && fits(r.bias, c.bias) && fits(r.pertoken_scale, c.pertoken_scale)) {
      return true;
    }
  }
  return false;
}

class TableTest : public ::testing::TestWithParam<Product> {};
INSTANTIATE_TEST_SUITE_P(Products, TableTest, ::testing::Values(Product::kAtlasA2, Product::kAtlasInference),
                         [](const auto& info) {
                           return info.param == Product::kAtlasA2 ? "AtlasA2" : "AtlasInference";
                         });

TEST_P(TableTest, AcceptsItsRowsAndRefusesAllElse) {
  int accepted = 0, refused = 0;
  for_every_combination([&](const Combination& c) {
    bool ok = true;
    try {
      EXPECT_EQ(infer(c.args(), GetParam()).dtype, c.output);
    } catch (const Error& e) {
      ok = false;
      EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
      ASSERT_NE(std::string(e.what()).find("table"), std::string::npos) << e.what();
      ASSERT_NE(std::string(e.what()).find("row"), std::string::npos) << e.what();
    }
    ASSERT_EQ(ok, in_table(c, GetParam()));
    ++(ok ? accepted : refused);
  });
  EXPECT_GT(accepted, 0);
  EXPECT_GT(refused, 1000 * accepted);
}

// The vendor's table, written out once more by hand: how many combinations each row admits, without overlap.
TEST(Table, HasTheDocumentedNumberOfCombinations) {
  int a2 = 0, inference = 0;
  for_every_combination([&](const Combination& c) {
    a2 += in_table(c, Product::kAtlasA2);
    inference += in_table(c, Product::kAtlasInference);
  });
  const int rows[] = {2 * 2, 2 * 2 * 2, 2 * 4 * 2, 4, 2 * 2, 2 * 4, 4, 2 * 2, 2};  // 1 to 9
  EXPECT_EQ(a2, std::accumulate(std::begin(rows), std::end(rows), 0));
  EXPECT_EQ(inference, rows[0] + rows[1]);
}

std::string refusal(const Combination& c, Product product = Product::kAtlasA2) {
  try {
    infer(c.args(), product);
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

TEST(Message, NamesOperandValueAllowedAndRow) {
  EXPECT_EQ(
      refusal({DType::kI8, DType::kF32, DType::kF16, {}, DType::kF32, {}}),
      "npu_quant_matmul: bias is float32, but for x1=int8, scale=float32, no pertoken_scale, output_dtype=float16 the "
      "Atlas A2/A3 table allows int32 or none (row 1). Did you mean pertoken_scale=float32 (row 4), or "
      "output_dtype=bfloat16 (row 3)?");
}

TEST(Message, RefusesPertokenScaleOnAtlasInference) {
  EXPECT_EQ(
      refusal({DType::kI8, DType::kF32, DType::kF16, {}, {}, DType::kF32}, Product::kAtlasInference),
      "npu_quant_matmul: pertoken_scale is float32, but for x1=int8, scale=float32, output_dtype=float16 the Atlas "
      "inference table allows none (row 1).");
}

TEST(Message, NamesTheNearestRowWhereSeveralOperandsAreWrong) {
  EXPECT_EQ(refusal({DType::kI8, DType::kF16, DType::kI8, {}, DType::kBF16, {}}),
            "npu_quant_matmul: the Atlas A2/A3 table has no row for x1=int8, scale=float16, no pertoken_scale, "
            "bias=bfloat16, "
            "output_dtype=int8; the nearest, row 2, wants bias int32 or none (is bfloat16), scale int64 or float32 (is "
            "float16).");
}

TEST(Message, RefusesMixedDtypesOfX1AndX2) {
  QuantMatmulArgs args = Combination{DType::kI8, DType::kF32, DType::kF16, {}, {}, {}}.args();
  args.x2.dtype = DType::kU8;
  try {
    infer(args, Product::kAtlasA2);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("x1 is int8, but x2 is uint8"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace a8w8
