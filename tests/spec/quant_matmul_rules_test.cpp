// Shapes: what npu_quant_matmul accepts, what it refuses and in which words.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "a8w8/context.h"
#include "a8w8/quant_matmul.h"
#include "a8w8/status.h"
#include "support/refusal.h"
#include "support/tensors.h"

namespace a8w8 {
namespace {

ConstTensorView view(DType t, const Dims& sizes) { return ConstTensorView(nullptr, t, sizes); }

QuantMatmulArgs valid(const Dims& x1 = {5, 8}, const Dims& x2 = {8, 6}) {
  QuantMatmulArgs args;
  args.x1 = view(DType::kI8, x1), args.x2 = view(DType::kI8, x2), args.scale = view(DType::kF32, {x2[-1]});
  args.output_dtype = DType::kBF16;
  return args;
}

TEST(Infer, BroadcastsBatchDimensions) {
  EXPECT_EQ(infer(valid(), Product::kAtlasA2).sizes, Dims({5, 6}));
  EXPECT_EQ(infer(valid({3, 5, 8}), Product::kAtlasA2).sizes, Dims({3, 5, 6}));
  EXPECT_EQ(infer(valid({5, 8}, {4, 8, 6}), Product::kAtlasA2).sizes, Dims({4, 5, 6}));
  EXPECT_EQ(infer(valid({2, 1, 5, 8}, {3, 8, 6}), Product::kAtlasA2).sizes, Dims({2, 3, 5, 6}));
  EXPECT_EQ(infer(valid({1, 2, 1, 2, 5, 8}, {2, 1, 3, 1, 8, 6}), Product::kAtlasA2).sizes, Dims({2, 2, 3, 2, 5, 6}));
}

struct Refusal {
  const char* name;
  std::function<void(QuantMatmulArgs&)> spoil;
  const char* message;
};

class RefusalTest : public ::testing::TestWithParam<Refusal> {};

const Refusal kRefusals[] = {
    {"RankOne", [](auto& a) { a.x1 = view(DType::kI8, {8}); }, "x1 has 1 dimensions, shape (8,), but must have 2 to 6"},
    {"RankSeven",
     [](auto& a) {
       a.x2 = view(DType::kI8, {1, 1, 1, 1, 1, 8, 6});
     },
     "x2 has 7 dimensions, shape (1, 1, 1, 1, 1, 8, 6), but must have 2 to 6"},
    {"Empty",
     [](auto& a) {
       a.x1 = view(DType::kI8, {0, 8});
     },
     "x1 is empty, shape (0, 8); empty operands are not allowed"},
    {"DifferentK",
     [](auto& a) {
       a.x2 = view(DType::kI8, {9, 6});
     },
     "k of x1 (5, 8) is 8, but k of x2 (9, 6) is 9; x1 is (..., m, k) and x2 is (..., k, n)"},
    {"Batch",
     [](auto& a) {
       a.x1 = view(DType::kI8, {2, 5, 8}), a.x2 = view(DType::kI8, {3, 8, 6});
     },
     "the batch dimensions of x1 (2, 5, 8) and x2 (3, 8, 6) cannot be broadcast: 2 against 3; they must be equal or 1"},
    {"ScaleLength", [](auto& a) { a.scale = view(DType::kF32, {5}); },
     "scale has shape (5,), but must be (1,) or (n,) with n = 6"},
    {"ScaleRank",
     [](auto& a) {
       a.scale = view(DType::kF32, {1, 6});
     },
     "scale has shape (1, 6), but must be (1,) or (n,) with n = 6"},
    {"OffsetLength", [](auto& a) { a.output_dtype = DType::kI8, a.offset = view(DType::kF32, {2}); },
     "offset has shape (2,), but must be (1,) or (n,) with n = 6"},
    {"PertokenOne", [](auto& a) { a.pertoken_scale = view(DType::kF32, {1}); },
     "pertoken_scale has shape (1,), but must be (m,) with m = 5"},
    {"BiasLength", [](auto& a) { a.bias = view(DType::kI32, {1}); },
     "bias has shape (1,), but must be (n,) = (6,); (batch, 1, n) is only for a 3-D result"},
    {"Bias3dBatch",
     [](auto& a) {
       a.x1 = view(DType::kI8, {4, 5, 8}), a.bias = view(DType::kI32, {3, 1, 6});
     },
     "bias has shape (3, 1, 6), but must be (n,) = (6,) or (batch, 1, n) = (4, 1, 6)"},
    {"PackedBound",
     [](auto& a) {
       a.x1 = view(DType::kI8, {5, 65536}), a.x2 = view(DType::kI8, {65536, 6}), a.output_dtype = DType::kF16;
     },
     "the last dimension of x1 is 65536, but with a packed scale (int64, or float32 for int8 or float16 output without "
     "pertoken_scale) at most 65535 is allowed"},
};

INSTANTIATE_TEST_SUITE_P(Shapes, RefusalTest, ::testing::ValuesIn(kRefusals),
                         [](const auto& info) { return info.param.name; });

TEST_P(RefusalTest, NamesOperandValueAndWhatIsAllowed) {
  QuantMatmulArgs args = valid();
  GetParam().spoil(args);
  try {
    infer(args, Product::kAtlasA2);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(e.what(), std::string("npu_quant_matmul: ") + GetParam().message);
  }
}

TEST(Infer, LiftsTheBoundWhereTheScaleStaysAFloat) {
  EXPECT_EQ(infer(valid({5, 65536}, {65536, 6}), Product::kAtlasA2).sizes, Dims({5, 6}));
}

TEST(Run, RefusesAnOutputOfTheWrongShapeDtypeOrStrides) {
  testing::OwnedTensor x1(DType::kI8, {5, 8}), x2(DType::kI8, {8, 6}), scale(DType::kF32, {6}),
      out(DType::kBF16, {5, 6});
  const QuantMatmulArgs args{.x1 = x1.view(), .x2 = x2.view(), .scale = scale.view(), .output_dtype = DType::kBF16};
  ExecutionContext ctx(1);
  const auto refusal = [&](const TensorView& to) {
    return testing::refusal([&] { quant_matmul(args, to, ctx, Product::kAtlasA2); });
  };
  EXPECT_EQ(refusal(out.view()), "accepted");
  EXPECT_EQ(refusal(TensorView(out.data<void>(), DType::kF16, {5, 6})),
            "npu_quant_matmul: out is float16 (5, 6), but the result is bfloat16 (5, 6)");
  EXPECT_EQ(refusal(TensorView(out.data<void>(), DType::kBF16, {6, 5}).transposed()),
            "npu_quant_matmul: out has strides (1, 5), but must be contiguous: (6, 1)");
  EXPECT_EQ(refusal(TensorView(nullptr, DType::kBF16, {5, 6})), "npu_quant_matmul: out has no data (null pointer)");
}

TEST(Run, RefusesOperandsWithoutData) {
  testing::OwnedTensor x1(DType::kI8, {5, 8}), scale(DType::kF32, {6}), out(DType::kBF16, {5, 6});
  const ConstTensorView nowhere(nullptr, DType::kI8, {8, 6}), negative(x1.data<void>(), DType::kI8, {-8, -6});
  ExecutionContext ctx(1);
  QuantMatmulArgs args{.x1 = x1.view(), .x2 = nowhere, .scale = scale.view(), .output_dtype = DType::kBF16};
  const auto run = [&] { quant_matmul(args, out.view(), ctx, Product::kAtlasA2); };
  EXPECT_EQ(testing::refusal(run), "npu_quant_matmul: x2 has no data (null pointer)");
  args.x2 = negative;
  EXPECT_NE(testing::refusal(run), "accepted");
}

}  // namespace
}  // namespace a8w8
