// linear_dynamic and linear_static are what quantizing and npu_quant_matmul compute one after the other; and the layers
// over them.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "a8w8/context.h"
#include "a8w8/half.h"
#include "a8w8/linear.h"
#include "a8w8/linear_ops.h"
#include "a8w8/status.h"
#include "ref/element.h"
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

OwnedTensor uniform(DType dtype, const Dims& sizes, Rng& rng, float lo, float hi) {
  OwnedTensor t(dtype, sizes);
  testing::fill_uniform(t, rng, lo, hi);
  return t;
}

int32_t dot(const int8_t* a, const int8_t* b, int64_t k) {
  int32_t sum = 0;
  for (int64_t p = 0; p < k; ++p) sum += a[p] * b[p];
  return sum;
}

void store(DType dtype, float y, std::vector<std::byte>& out, size_t i) {
  const uint16_t half = dtype == DType::kF16 ? ref::to_half(y) : ref::to_bfloat16(y);
  if (dtype == DType::kF32)
    std::memcpy(out.data() + 4 * i, &y, 4);
  else
    std::memcpy(out.data() + 2 * i, &half, 2);
}

TEST(LinearDynamic, AgreesWithTheFormula) {
  Rng rng(1);
  for (int round = 0; round < 60; ++round) {
    const DType dtype = kFloatTypes[round % 3];
    const int64_t m = testing::uniform_int(rng, 1, 30), n = testing::uniform_int(rng, 1, 90),
                  k = testing::uniform_int(rng, 1, 120);
    const OwnedTensor x = uniform(dtype, {m, k}, rng, -3, 3);
    OwnedTensor w(DType::kI8, {n, k});
    testing::fill_int8(w, rng);
    const OwnedTensor scale = uniform(kFloatTypes[round % 2], round % 4 ? Dims({n, 1}) : Dims({n}), rng, 0, 0.01f);
    const OwnedTensor bias = uniform(kFloatTypes[(round + 1) % 3], {n}, rng, -1, 1);
    LinearDynamicArgs args{.x = x.view(), .weight = std::as_const(w).view(), .weight_scale = scale.view()};
    if (round % 5) args.bias = bias.view();

    std::vector<int8_t> x_q(static_cast<size_t>(m * k));
    std::vector<float> ps(static_cast<size_t>(m));
    ref::dynamic_quant({.x = x.view()}, TensorView(x_q.data(), DType::kI8, {m, k}),
                       TensorView(ps.data(), DType::kF32, {m}));
    std::vector<std::byte> expected(static_cast<size_t>(m * n) * dtype_size(dtype)), out(expected.size());
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        const Dims at = scale.view().rank() == 2 ? Dims({j, 0}) : Dims({j});
        float y =
            static_cast<float>(dot(x_q.data() + i * k, w.data<int8_t>() + j * k, k)) * ref::get_float(scale.view(), at);
        y = y * ps[static_cast<size_t>(i)];
        if (args.bias) y = y + ref::get_float(bias.view(), Dims({j}));
        store(dtype, y, expected, static_cast<size_t>(i * n + j));
      }
    }
    for (auto& ctx : testing::all_contexts()) {
      linear_dynamic(args, TensorView(out.data(), dtype, {m, n}), ctx);
      ASSERT_EQ(out, expected) << "round " << round << " " << isa_names(ctx.isas());
    }
  }
}

TEST(LinearStatic, AgreesWithTheFormula) {
  Rng rng(2);
  for (int round = 0; round < 60; ++round) {
    const DType dtype = kFloatTypes[round % 3];
    const int64_t m = testing::uniform_int(rng, 1, 30), n = testing::uniform_int(rng, 1, 90),
                  k = testing::uniform_int(rng, 1, 120);
    const OwnedTensor x = uniform(dtype, {2, m, k}, rng, -3, 3);
    OwnedTensor w(DType::kI8, {n, k});
    testing::fill_int8(w, rng);
    const OwnedTensor input_scale = uniform(dtype, {1}, rng, 0.01f, 0.02f),
                      input_offset = uniform(DType::kI8, {1}, rng, -100, 100);
    OwnedTensor deq(round % 2 ? DType::kI64 : DType::kF32, {n});
    for (int64_t j = 0; j < n; ++j) {
      const float s = std::uniform_real_distribution<float>(1e-5f, 1e-3f)(rng);
      if (round % 2)
        deq.data<int64_t>()[j] = std::bit_cast<uint32_t>(s);
      else
        deq.data<float>()[j] = s;
    }
    const OwnedTensor bias = uniform(DType::kI32, {n}, rng, -9000, 9000);
    LinearStaticArgs args{
        x.view(), input_scale.view(), input_offset.view(), std::as_const(w).view(), std::as_const(deq).view(), {}};
    if (round % 5) args.quant_bias = bias.view();

    std::vector<int8_t> x_q(static_cast<size_t>(2 * m * k));
    std::vector<float> s(1, ref::get_float(input_scale.view(), Dims({0}))),
        o(1, ref::get_float(input_offset.view(), Dims({0})));
    ref::quantize({.x = x.view(),
                   .scales = ConstTensorView(s.data(), DType::kF32, {1}),
                   .zero_points = ConstTensorView(o.data(), DType::kF32, {1})},
                  TensorView(x_q.data(), DType::kI8, {2, m, k}));
    std::vector<std::byte> expected(static_cast<size_t>(2 * m * n) * dtype_size(dtype)), out(expected.size());
    for (int64_t i = 0; i < 2 * m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        int32_t acc = dot(x_q.data() + i * k, w.data<int8_t>() + j * k, k);
        if (args.quant_bias) acc += ref::get<int32_t>(bias.view(), Dims({j}));
        const float scale =
            round % 2 ? std::bit_cast<float>(static_cast<uint32_t>(deq.data<int64_t>()[j])) : deq.data<float>()[j];
        store(dtype, static_cast<float>(acc) * scale, expected, static_cast<size_t>(i * n + j));
      }
    }
    for (auto& ctx : testing::all_contexts()) {
      linear_static(args, TensorView(out.data(), dtype, {2, m, n}), ctx);
      ASSERT_EQ(out, expected) << "round " << round << " " << isa_names(ctx.isas());
    }
  }
}

float rounded(DType dtype, float x) {
  if (dtype == DType::kF32) return x;
  return dtype == DType::kF16 ? half_to_float(ref::to_half(x)) : bfloat16_to_float(ref::to_bfloat16(x));
}

// Both biases at once, and x times the reciprocal, on every kernel.
TEST(LinearStatic, FloatBiasIsAddedAfterScalingAndTheReciprocalIsRounded) {
  Rng rng(5);
  for (int round = 0; round < 24; ++round) {
    const DType dtype = kFloatTypes[round % 3];
    const int64_t m = testing::uniform_int(rng, 1, 30), n = testing::uniform_int(rng, 1, 90),
                  k = testing::uniform_int(rng, 1, 120);
    const OwnedTensor x = uniform(dtype, {m, k}, rng, -3, 3), scale = uniform(DType::kF32, {1}, rng, 0.01f, 0.02f),
                      offset = uniform(DType::kI8, {1}, rng, -100, 100),
                      deq = uniform(DType::kF32, {n}, rng, 1e-5f, 1e-3f),
                      quant_bias = uniform(DType::kI32, {n}, rng, -9000, 9000),
                      bias = uniform(kFloatTypes[round / 3 % 3], {n}, rng, -2, 2);
    OwnedTensor w(DType::kI8, {n, k});
    testing::fill_int8(w, rng);
    LinearStaticArgs args{x.view(), scale.view(), offset.view(), std::as_const(w).view(), deq.view()};
    args.bias = bias.view(), args.reciprocal = round % 4 != 0;
    if (round % 2) args.quant_bias = quant_bias.view();

    const float s = ref::get_float(scale.view(), Dims({0})), o = ref::get_float(offset.view(), Dims({0}));
    const float factor = rounded(dtype, 1.0f / rounded(dtype, s));
    std::vector<int8_t> x_q(static_cast<size_t>(m * k));
    for (int64_t i = 0; i < m * k; ++i) {
      const float value = ref::get_float(x.view(), Dims({i / k, i % k}));
      const float scaled = args.reciprocal ? value * factor : value / s;
      x_q[static_cast<size_t>(i)] = static_cast<int8_t>(std::clamp(std::nearbyint(scaled + o), -128.0f, 127.0f));
    }
    std::vector<std::byte> expected(static_cast<size_t>(m * n) * dtype_size(dtype)), out(expected.size());
    for (int64_t i = 0; i < m * n; ++i) {
      const Dims j({i % n});
      int32_t acc = dot(x_q.data() + i / n * k, w.data<int8_t>() + i % n * k, k);
      if (args.quant_bias) acc += ref::get<int32_t>(quant_bias.view(), j);
      const float y = static_cast<float>(acc) * ref::get_float(deq.view(), j);
      store(dtype, y + ref::get_float(bias.view(), j), expected, static_cast<size_t>(i));
    }
    for (auto& ctx : testing::all_contexts()) {
      linear_static(args, TensorView(out.data(), dtype, {m, n}), ctx);
      ASSERT_EQ(out, expected) << "round " << round << " " << isa_names(ctx.isas());
    }
  }
}

TEST(LinearDynamic, RowOfZerosGivesTheBias) {
  const std::vector<float> x(8, 0.0f), scale(2, 0.5f), bias = {1.5f, -2.0f};
  const std::vector<int8_t> w(16, 3);
  float y[2];
  ExecutionContext ctx(1);
  linear_dynamic({ConstTensorView(x.data(), DType::kF32, {8}), ConstTensorView(w.data(), DType::kI8, {2, 8}),
                  ConstTensorView(scale.data(), DType::kF32, {2}), ConstTensorView(bias.data(), DType::kF32, {2})},
                 TensorView(y, DType::kF32, {2}), ctx);
  EXPECT_EQ(y[0], 1.5f);
  EXPECT_EQ(y[1], -2.0f);
}

TEST(LinearOps, Refusals) {
  LinearDynamicArgs args{ConstTensorView(nullptr, DType::kF32, {3, 8}),
                         ConstTensorView(nullptr, DType::kI8, {4, 8}),
                         ConstTensorView(nullptr, DType::kF32, {4, 1}),
                         {}};
  EXPECT_EQ(refusal([&] { infer(args); }), "accepted");
  LinearDynamicArgs bad = args;
  bad.x = ConstTensorView(nullptr, DType::kF32, {3, 9});
  EXPECT_EQ(refusal([&] { infer(bad); }),
            "linear_dynamic: x has shape (3, 9), but for weight (n, k) = (4, 8) it must be (..., k)");
  bad = args, bad.x.dtype = DType::kF64;
  EXPECT_EQ(refusal([&] { infer(bad); }), "linear_dynamic: x is float64, but must be float16, bfloat16 or float32");
  bad = args, bad.weight_scale = ConstTensorView(nullptr, DType::kF32, {1, 4});
  EXPECT_EQ(refusal([&] { infer(bad); }),
            "linear_dynamic: weight_scale has shape (1, 4), but must be (n,) or (n, 1) with n = 4");
  bad = args, bad.bias = ConstTensorView(nullptr, DType::kI32, {4});
  EXPECT_EQ(refusal([&] { infer(bad); }), "linear_dynamic: bias is int32, but must be float16, bfloat16 or float32");

  const ConstTensorView one(nullptr, DType::kF32, {1});
  LinearStaticArgs fixed{args.x, one, one, args.weight, ConstTensorView(nullptr, DType::kF32, {4})};
  fixed.bias = ConstTensorView(nullptr, DType::kBF16, {4});
  EXPECT_EQ(refusal([&] { infer(fixed); }), "accepted");
  fixed.bias->dtype = DType::kI32;
  EXPECT_EQ(refusal([&] { infer(fixed); }), "linear_static: bias is int32, but must be float16, bfloat16 or float32");
  fixed.bias = ConstTensorView(nullptr, DType::kF32, {5});
  EXPECT_EQ(refusal([&] { infer(fixed); }), "linear_static: bias has shape (5,), but must be (n,) with n = 4");
}

TEST(Layers, LinearA8W8QuantIsTheOpOnTheTransposedWeight) {
  Rng rng(3);
  OwnedTensor x(DType::kI8, {5, 16}), w(DType::kI8, {7, 16});
  testing::fill_int8(x, rng);
  testing::fill_int8(w, rng);
  const OwnedTensor scale = uniform(DType::kF32, {7}, rng, 0, 0.01f), bias = uniform(DType::kI32, {7}, rng, -99, 99);
  LinearA8W8Quant layer;
  layer.weight = std::as_const(w).view(), layer.scale = scale.view(), layer.bias = bias.view(),
  layer.output_dtype = DType::kF16;
  EXPECT_EQ(layer.in_features(), 16);
  EXPECT_EQ(layer.out_features(), 7);
  EXPECT_EQ(layer.infer(std::as_const(x).view()).sizes, Dims({5, 7}));
  std::vector<uint16_t> y(35), expected(35);
  ExecutionContext ctx(2);
  layer.forward(std::as_const(x).view(), TensorView(y.data(), DType::kF16, {5, 7}), ctx);
  ref::quant_matmul({.x1 = x.view(),
                     .x2 = w.view().transposed(),
                     .scale = scale.view(),
                     .bias = bias.view(),
                     .output_dtype = DType::kF16},
                    TensorView(expected.data(), DType::kF16, {5, 7}));
  EXPECT_EQ(y, expected);

  layer.output_dtype = DType::kI32;
  EXPECT_EQ(refusal([&] { layer.infer(std::as_const(x).view()); }),
            "LinearA8W8Quant: output_dtype is int32, but must be int8, float16 or bfloat16; LinearQuant allows int32");
  EXPECT_EQ(static_cast<LinearQuant&>(layer).infer(std::as_const(x).view()).dtype, DType::kI32);
}

}  // namespace
}  // namespace a8w8
