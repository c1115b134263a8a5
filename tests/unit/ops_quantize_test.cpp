// trans_quant_param, quantize and dynamic_quant against the reference, and the words and values that the vendor prints.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "a8w8/context.h"
#include "a8w8/quant_param.h"
#include "a8w8/quantize.h"
#include "a8w8/status.h"
#include "ref/reference.h"
#include "support/contexts.h"
#include "support/refusal.h"
#include "support/tensors.h"

namespace a8w8 {
namespace {

using testing::OwnedTensor;
using testing::refusal;
using testing::Rng;

constexpr DType kFloatTypes[] = {DType::kF32, DType::kF16, DType::kBF16};

TEST(QuantParam, ReproducesTheDocumentedWords) {
  for (int64_t word :
       {70507248869376, 70509369614336, 140463653937152, 140603257561088, 70369813069824, 70784266256384}) {
    const QuantParam p = decode_quant_param(word);
    EXPECT_EQ(encode_quant_param(p.scale, static_cast<float>(p.offset)), word);
    EXPECT_EQ(encode_quant_param(p.scale, static_cast<float>(p.offset), ScaleRounding::kNearestEven), word);
  }
  EXPECT_EQ(encode_quant_param(1.0f, -2.0f), 140463675801600);  // the example in quant_param.h
}

TEST(QuantParam, ClampsAndRoundsTheOffset) {
  const std::pair<float, int> cases[] = {{-300, -256}, {-256.5f, -256}, {255.5f, 255}, {1e9f, 255},       {0.5f, 0},
                                         {1.5f, 2},    {-0.5f, 0},      {-1.5f, -2},   {std::nanf(""), 0}};
  for (const auto& [offset, expected] : cases)
    EXPECT_EQ(decode_quant_param(encode_quant_param(1.0f, offset)).offset, expected);
}

TEST(QuantParam, AgreesWithTheReferenceInBothRoundModes) {
  Rng rng(1);
  std::vector<float> scale(20000), offset(20000);
  for (float& s : scale) s = std::bit_cast<float>(static_cast<uint32_t>(rng()));
  for (float& o : offset) o = std::uniform_real_distribution<float>(-400, 400)(rng);
  for (int64_t round_mode : {0, 1}) {
    for (const auto& [scales, offsets] :
         {std::pair(20000, 20000), std::pair(1, 20000), std::pair(20000, 1), std::pair(20000, 0)}) {
      TransQuantParamArgs args{ConstTensorView(scale.data(), DType::kF32, {scales}), std::nullopt, round_mode};
      if (offsets) args.offset = ConstTensorView(offset.data(), DType::kF32, {offsets});
      const TensorDesc desc = infer(args);
      std::vector<int64_t> out(static_cast<size_t>(desc.sizes.numel())), expected(out.size());
      trans_quant_param(args, TensorView(out.data(), DType::kI64, desc.sizes));
      ref::trans_quant_param(args, TensorView(expected.data(), DType::kI64, desc.sizes));
      EXPECT_EQ(out, expected);
    }
  }
}

TEST(QuantParam, Shapes) {
  const auto shape = [](const Dims& scale, std::optional<Dims> offset, int64_t round_mode = 0) {
    TransQuantParamArgs args{ConstTensorView(nullptr, DType::kF32, scale), std::nullopt, round_mode};
    if (offset) args.offset = ConstTensorView(nullptr, DType::kF32, *offset);
    return infer(args).sizes;
  };
  EXPECT_EQ(shape({4}, Dims({1})), Dims({4}));
  EXPECT_EQ(shape({1}, Dims({4})), Dims({4}));
  EXPECT_EQ(shape({1, 4}, Dims({1, 4})), Dims({1, 4}));
  EXPECT_EQ(shape({3, 1}, {}), Dims({3, 1}));
  EXPECT_EQ(refusal([&] { shape({3}, Dims({2})); }),
            "npu_trans_quant_param: offset has shape (2,), but for scale (3,) it must be (1,) or (3,)");
  EXPECT_EQ(refusal([&] { shape({0}, {}); }), "npu_trans_quant_param: scale is empty, shape (0,)");
  EXPECT_EQ(refusal([&] {
              shape({2, 2, 2}, {});
            }),
            "npu_trans_quant_param: scale has shape (2, 2, 2), but must have 1 or 2 dimensions");
  EXPECT_EQ(refusal([&] { shape({3}, {}, 2); }),
            "npu_trans_quant_param: round_mode is 2, but must be 0 (truncate) or 1 (nearest even)");
  EXPECT_NE(refusal([&] {
              shape({2, 3}, Dims({2, 3}));
            }).find("a 2-D scale with offset must be (1, n)"),
            std::string::npos);
}

OwnedTensor random_input(DType dtype, const Dims& sizes, bool transposed, Rng& rng) {
  OwnedTensor x = transposed ? OwnedTensor::transposed_storage(dtype, sizes) : OwnedTensor(dtype, sizes);
  testing::fill_uniform(x, rng, -40, 40);
  if (x.numel() > 4) {
    testing::set_element(x, 0, std::numeric_limits<float>::infinity());
    testing::set_element(x, 1, std::nanf(""));
    testing::set_element(x, 2, 1e-8f);
  }
  return x;
}

void expect_quantize_agrees(const QuantizeArgs& args) {
  const TensorDesc desc = infer(args, Product::kAtlasA2);
  std::vector<std::byte> expected(static_cast<size_t>(desc.bytes())), out(expected.size());
  ref::quantize(args, TensorView(expected.data(), desc.dtype, desc.sizes));
  for (auto& ctx : testing::all_contexts()) {
    quantize(args, TensorView(out.data(), desc.dtype, desc.sizes), ctx, Product::kAtlasA2);
    ASSERT_EQ(out, expected) << dtype_name(args.x.dtype) << " axis " << args.axis << " div " << args.div_mode;
  }
}

TEST(Quantize, AgreesWithTheReference) {
  Rng rng(2);
  for (int round = 0; round < 200; ++round) {
    const bool div_mode = round % 2;
    const Dims sizes = {testing::uniform_int(rng, 1, 4), testing::uniform_int(rng, 1, 30),
                        round % 4 ? testing::uniform_int(rng, 1, 90) : 8 * testing::uniform_int(rng, 1, 11)};
    const OwnedTensor x = random_input(kFloatTypes[round % 3], sizes, round % 5 == 0, rng);
    const int64_t axis = div_mode ? testing::uniform_int(rng, -3, 2) : testing::uniform_int(rng, -2, 1);
    const int64_t along = div_mode ? sizes[static_cast<int>(axis)] : sizes[axis == -2 ? 1 : 2];
    const int64_t count = testing::uniform_int(rng, 0, 2) ? along : 1;
    OwnedTensor scales(div_mode ? DType::kBF16 : kFloatTypes[round % 3], {count});
    testing::fill_uniform(scales, rng, div_mode ? 0.05f : -4.0f, 4.0f);
    QuantizeArgs args{.x = x.view(), .scales = scales.view(), .axis = axis, .div_mode = div_mode};
    constexpr DType kZeroTypes[] = {DType::kI8, DType::kU8, DType::kI32, DType::kF32, DType::kBF16};
    OwnedTensor zero_points(div_mode ? kZeroTypes[round % 5] : kFloatTypes[round % 3], {count});
    testing::fill_uniform(zero_points, rng, 0, 50);
    if (round % 3) args.zero_points = zero_points.view();
    constexpr DType kOutputs[] = {DType::kI8, DType::kU8, DType::kI32};
    if (div_mode) args.dtype = kOutputs[round % 3];
    expect_quantize_agrees(args);
    args.int4 = true;
    if (!div_mode && sizes[2] % 8 == 0) expect_quantize_agrees(args);
  }
}

TEST(Quantize, TakesScalesOfAsManyDimensionsWithoutDivMode) {
  Rng rng(3);
  const OwnedTensor x = random_input(DType::kF32, {2, 5, 7}, false, rng);
  OwnedTensor last(DType::kF32, {1, 1, 7}), rows(DType::kF32, {1, 5, 1});
  testing::fill_uniform(last, rng, 0, 4);
  testing::fill_uniform(rows, rng, 0, 4);
  expect_quantize_agrees({.x = x.view(), .scales = last.view(), .axis = -1, .div_mode = false});
  expect_quantize_agrees({.x = x.view(), .scales = rows.view(), .axis = -2, .div_mode = false});
}

TEST(Quantize, ZeroScaleFollowsIeee) {
  const float x[] = {1, -1, 0}, zero = 0;
  int8_t q[3];
  ExecutionContext ctx(1);
  quantize({.x = ConstTensorView(x, DType::kF32, {3}), .scales = ConstTensorView(&zero, DType::kF32, {1}), .axis = 0},
           TensorView(q, DType::kI8, {3}), ctx);
  EXPECT_EQ(std::vector<int>(q, q + 3), std::vector<int>({127, -128, 0}));
}

TEST(Quantize, Refusals) {
  const ConstTensorView x(nullptr, DType::kF32, {4, 6}), s6(nullptr, DType::kF32, {6});
  const auto message = [](const QuantizeArgs& args, Product product = Product::kAtlasA2) {
    return refusal([&] { infer(args, product); });
  };
  EXPECT_EQ(message({.x = x, .scales = s6}), "accepted");
  EXPECT_EQ(message({.x = x, .scales = s6, .axis = 0}),
            "npu_quantize: scales has shape (6,), but x (4, 6) is quantized along dimension 0 of length 4, which "
            "allows (1,) or (4,)");
  EXPECT_EQ(message({.x = x, .scales = s6, .axis = 2}), "npu_quantize: axis is 2, but x (4, 6) allows -2 to 1");
  EXPECT_EQ(
      message({.x = x, .scales = s6, .dtype = DType::kU8, .axis = -1, .div_mode = false}),
      "npu_quantize: dtype is uint8, but with div_mode=False dtype must be int8 (qint8, quint8, qint32 likewise) or "
      "quint4x2");
  EXPECT_EQ(message({.x = ConstTensorView(nullptr, DType::kBF16, {4, 6}), .scales = s6}, Product::kAtlasInference),
            "npu_quantize: x is bfloat16, but must be float16 or float32");
  EXPECT_EQ(message({.x = x, .scales = ConstTensorView(nullptr, DType::kF16, {6})}),
            "npu_quantize: scales is float16, but must be bfloat16 or float32");
  EXPECT_EQ(
      message({.x = x, .scales = s6, .zero_points = ConstTensorView(nullptr, DType::kI8, {1})}),
      "npu_quantize: zero_points has shape (1,) and scales (6,), but with div_mode=True they must have the same shape");
  EXPECT_EQ(message({.x = ConstTensorView(nullptr, DType::kI8, {4}), .scales = s6, .axis = 0}),
            "npu_quantize: x is int8, but must be float16, bfloat16 or float32");
}

TEST(Quantize, AcceptsEmpty) {
  ExecutionContext ctx(2);
  const float s = 1;
  const QuantizeArgs args{.x = ConstTensorView(nullptr, DType::kF32, {0, 6}),
                          .scales = ConstTensorView(&s, DType::kF32, {1})};
  EXPECT_EQ(infer(args).sizes, Dims({0, 6}));
  quantize(args, TensorView(nullptr, DType::kI8, {0, 6}), ctx);
}

TEST(DynamicQuant, AgreesWithTheReference) {
  Rng rng(4);
  for (int round = 0; round < 120; ++round) {
    const DType dtype = kFloatTypes[round % 3];
    const Dims sizes = {testing::uniform_int(rng, 1, 3), testing::uniform_int(rng, 1, 40),
                        testing::uniform_int(rng, 1, 150)};
    OwnedTensor x = random_input(dtype, sizes, round % 4 == 0, rng);
    for (int64_t j = 0; round % 5 == 0 && j < sizes[2]; ++j)
      testing::set_element(x, j, 0.0f);  // a row of zeros, if not transposed
    OwnedTensor smooth(dtype, {sizes[2]});
    testing::fill_uniform(smooth, rng, 0, 2);
    DynamicQuantArgs args{.x = std::as_const(x).view()};
    if (round % 2) args.smooth_scales = smooth.view();

    const DynamicQuantDesc desc = infer(args);
    std::vector<int8_t> y(static_cast<size_t>(desc.y.sizes.numel())), expected_y(y.size());
    std::vector<float> s(static_cast<size_t>(desc.scale.sizes.numel())), expected_s(s.size());
    ref::dynamic_quant(args, TensorView(expected_y.data(), DType::kI8, desc.y.sizes),
                       TensorView(expected_s.data(), DType::kF32, desc.scale.sizes));
    for (auto& ctx : testing::all_contexts()) {
      dynamic_quant(args, TensorView(y.data(), DType::kI8, desc.y.sizes),
                    TensorView(s.data(), DType::kF32, desc.scale.sizes), ctx);
      ASSERT_EQ(y, expected_y) << "round " << round;
      for (size_t i = 0; i < s.size(); ++i) {
        ASSERT_TRUE(s[i] == expected_s[i] || (std::isnan(s[i]) && std::isnan(expected_s[i]))) << "round " << round;
      }
    }
  }
}

// Rows of x flattened take the factors of their group; groups may be empty. For int8 and for packed int4.
TEST(DynamicQuant, GroupsAndInt4AgreeWithTheReference) {
  Rng rng(5);
  for (int round = 0; round < 60; ++round) {
    const DType dtype = kFloatTypes[round % 3];
    const Dims sizes = {testing::uniform_int(rng, 1, 3), testing::uniform_int(rng, 1, 20),
                        8 * testing::uniform_int(rng, 1, 12)};
    const int64_t rows = sizes[0] * sizes[1], groups = testing::uniform_int(rng, 1, 6);
    const OwnedTensor x = random_input(dtype, sizes, round % 4 == 0, rng);
    OwnedTensor smooth(dtype, {groups, sizes[2]}), group_index(DType::kI32, {groups});
    testing::fill_uniform(smooth, rng, 0, 2);
    int32_t* const ends = group_index.data<int32_t>();
    for (int64_t e = 0; e < groups; ++e) ends[e] = static_cast<int32_t>(testing::uniform_int(rng, 0, rows));
    std::sort(ends, ends + groups);
    ends[groups - 1] = static_cast<int32_t>(rows);
    DynamicQuantArgs args{.x = x.view(), .smooth_scales = smooth.view(), .group_index = group_index.view()};
    args.int4 = round % 2;
    if (round % 7 == 0) args.smooth_scales = args.group_index = std::nullopt;

    const DynamicQuantDesc desc = infer(args);
    std::vector<std::byte> y(static_cast<size_t>(desc.y.bytes())), expected_y(y.size());
    std::vector<float> s(static_cast<size_t>(rows)), expected_s(s.size());
    ref::dynamic_quant(args, TensorView(expected_y.data(), desc.y.dtype, desc.y.sizes),
                       TensorView(expected_s.data(), DType::kF32, desc.scale.sizes));
    for (auto& ctx : testing::all_contexts()) {
      dynamic_quant(args, TensorView(y.data(), desc.y.dtype, desc.y.sizes),
                    TensorView(s.data(), DType::kF32, desc.scale.sizes), ctx);
      ASSERT_EQ(y, expected_y) << "round " << round;
    }
  }
}

TEST(DynamicQuant, ReproducesTheDocumentedExample) {
  const float values[] = {0.7261f, 0.3726f, 0.9126f, 0.9023f, 0.9990f, 0.1279f, 0.8628f, 0.6240f, 0.9028f};
  uint16_t x[9];
  for (int i = 0; i < 9; ++i) x[i] = float_to_half(values[i]);
  int8_t y[9];
  float scale[3];
  ExecutionContext ctx(1);
  dynamic_quant({.x = ConstTensorView(x, DType::kF16, {3, 3})}, TensorView(y, DType::kI8, {3, 3}),
                TensorView(scale, DType::kF32, {3}), ctx);
  EXPECT_EQ(std::vector<int>(y, y + 9), std::vector<int>({101, 52, 127, 115, 127, 16, 121, 88, 127}));
}

TEST(DynamicQuant, Refusals) {
  const auto message = [](DType t, const Dims& sizes) {
    return refusal([&] { infer(DynamicQuantArgs{.x = ConstTensorView(nullptr, t, sizes)}); });
  };
  EXPECT_EQ(message(DType::kF16, {4}), "npu_dynamic_quant: input has shape (4,), but must have 2 to 8 dimensions");
  EXPECT_EQ(message(DType::kI8, {4, 4}), "npu_dynamic_quant: input is int8, but must be float16, bfloat16 or float32");
  EXPECT_EQ(message(DType::kF16, {4, 0}),
            "npu_dynamic_quant: the last dimension of input (4, 0) is 0; its largest value is not defined");
}

TEST(DynamicQuant, RefusalsOfGroupsAndInt4) {
  const ConstTensorView x(nullptr, DType::kF16, {4, 12});
  const auto message = [](const DynamicQuantArgs& args) { return refusal([&] { infer(args); }); };
  const auto view = [](DType t, const Dims& sizes) { return ConstTensorView(nullptr, t, sizes); };
  EXPECT_EQ(
      message({.x = x, .int4 = true}),
      "npu_dynamic_quant: the last dimension of input (4, 12) is 12, but for quint4x2 it must be a multiple of 8");
  EXPECT_EQ(message({.x = x, .group_index = view(DType::kI32, {2})}),
            "npu_dynamic_quant: group_index is given without smooth_scales (E, h)");
  EXPECT_EQ(message({.x = x, .smooth_scales = view(DType::kF16, {12}), .group_index = view(DType::kI64, {2})}),
            "npu_dynamic_quant: group_index is int64, but must be int32");
  EXPECT_EQ(message({.x = x, .smooth_scales = view(DType::kF16, {12}), .group_index = view(DType::kI32, {2})}),
            "npu_dynamic_quant: smooth_scales has shape (12,), but with group_index (E,) it must be (E, h) = (2, 12)");
  EXPECT_EQ(message({.x = x, .smooth_scales = view(DType::kF16, {0, 12}), .group_index = view(DType::kI32, {0})}),
            "npu_dynamic_quant: group_index has shape (0,), but must be (E,) and not empty");
}

TEST(DynamicQuant, RefusesGroupsThatDoNotCoverTheRows) {
  ExecutionContext ctx(1);
  const std::vector<float> x(4 * 2, 1.0f), smooth(2 * 2, 1.0f);
  std::vector<int8_t> y(4 * 2);
  std::vector<float> scale(4);
  const auto message = [&](std::vector<int32_t> ends) {
    return refusal([&] {
      dynamic_quant({.x = ConstTensorView(x.data(), DType::kF32, {4, 2}),
                     .smooth_scales = ConstTensorView(smooth.data(), DType::kF32, {2, 2}),
                     .group_index = ConstTensorView(ends.data(), DType::kI32, {2})},
                    TensorView(y.data(), DType::kI8, {4, 2}), TensorView(scale.data(), DType::kF32, {4}), ctx);
    });
  };
  EXPECT_EQ(message({2, 4}), "accepted");
  const std::string rule =
      ", but group_index must not decrease, starts at 0 or above, and its last value is the number "
      "of rows, 4";
  EXPECT_EQ(message({2, 3}), "npu_dynamic_quant: group_index[1] is 3" + rule);
  EXPECT_EQ(message({5, 4}), "npu_dynamic_quant: group_index[0] is 5" + rule);
  EXPECT_EQ(message({-1, 4}), "npu_dynamic_quant: group_index[0] is -1" + rule);
  EXPECT_EQ(message({3, 2}), "npu_dynamic_quant: group_index[1] is 2" + rule);
}

}  // namespace
}  // namespace a8w8
