// quant_matmul against the reference, bit for bit: every row of the tables, random shapes with tails, broadcast and
// strides, the corners, and the same bits for every instruction set and every number of threads.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "a8w8/context.h"
#include "a8w8/op_table.h"
#include "a8w8/quant_matmul.h"
#include "ref/reference.h"
#include "support/contexts.h"
#include "support/matmul_calls.h"
#include "support/tensors.h"

namespace a8w8 {
namespace {

using testing::Call;
using testing::compute;
using testing::OwnedTensor;
using testing::pick;
using testing::Rng;
using testing::scale_vector;
using testing::vector;

OwnedTensor matrix(const Dims& sizes, Rng& rng) {
  OwnedTensor t = testing::uniform_int(rng, 0, 1) ? OwnedTensor::transposed_storage(DType::kI8, sizes)
                                                  : OwnedTensor(DType::kI8, sizes);
  testing::fill_int8(t, rng);
  return t;
}

struct Shape {
  Dims batch1, batch2, batch;
  int64_t m, n, k;
};

// Batch dimensions in which either operand may have 1 or lack the leading ones.
Shape random_shape(Rng& rng, int64_t max_m = 40) {
  Shape s{{},
          {},
          {},
          testing::uniform_int(rng, 1, max_m),
          testing::uniform_int(rng, 1, 150),
          testing::uniform_int(rng, 1, 200)};
  const int64_t rank = std::max<int64_t>(0, testing::uniform_int(rng, -3, 4));
  const int64_t missing = testing::uniform_int(rng, 0, rank), who = testing::uniform_int(rng, 0, 2);
  for (int64_t i = 0; i < rank; ++i) {
    const int64_t size = testing::uniform_int(rng, 1, 3), ones = testing::uniform_int(rng, 0, 3);
    const bool lacks1 = who == 1 && i < missing, lacks2 = who == 2 && i < missing;
    if (!lacks1) s.batch1.push_back(ones == 1 ? 1 : size);
    if (!lacks2) s.batch2.push_back(ones == 2 ? 1 : size);
    const int64_t size1 = lacks1 || ones == 1 ? 1 : size, size2 = lacks2 || ones == 2 ? 1 : size;
    s.batch.push_back(std::max(size1, size2));
  }
  return s;
}

Dims with_matrix(Dims batch, int64_t rows, int64_t cols) {
  batch.push_back(rows);
  batch.push_back(cols);
  return batch;
}

Call random_call(const QuantMatmulRow& row, const Shape& s, Rng& rng) {
  Call call{matrix(with_matrix(s.batch1, s.m, s.k), rng),
            matrix(with_matrix(s.batch2, s.k, s.n), rng),
            scale_vector(*pick(row.scale, rng), s.n, rng),
            {},
            {},
            {},
            *pick(row.output, rng)};
  if (auto t = pick(row.offset, rng)) call.offset = vector(*t, s.n, rng, -300, 300);
  if (auto t = pick(row.pertoken_scale, rng)) call.pertoken_scale = vector(*t, s.m, rng, 0, 2, false);
  if (auto t = pick(row.bias, rng)) {
    const bool three = s.batch.rank() == 1 && testing::uniform_int(rng, 0, 1);
    OwnedTensor bias(*t, three ? Dims({s.batch[0], 1, s.n}) : Dims({s.n}));
    testing::fill_uniform(bias, rng, -20000, 20000);
    call.bias = std::move(bias);
  }
  return call;
}

class EveryRow : public ::testing::TestWithParam<Product> {};
INSTANTIATE_TEST_SUITE_P(QuantMatmul, EveryRow, ::testing::Values(Product::kAtlasA2, Product::kAtlasInference),
                         [](const auto& info) {
                           return info.param == Product::kAtlasA2 ? "AtlasA2" : "AtlasInference";
                         });

TEST_P(EveryRow, GivesTheReferencesBitsOnEveryIsaAndThreadCount) {
  auto contexts = testing::all_contexts();
  for (const QuantMatmulRow& row : quant_matmul_table(GetParam())) {
    if (row.x.contains(DType::kI32)) continue;  // int4: ops_quant_matmul_int4_test.cpp
    for (uint64_t seed = 0; seed < 60; ++seed) {
      Rng rng(seed * 100 + static_cast<uint64_t>(row.number));
      const Call call = random_call(row, random_shape(rng), rng);
      const std::vector<std::byte> expected = compute(call, nullptr, GetParam());
      for (auto& ctx : contexts) {
        ASSERT_EQ(compute(call, &ctx, GetParam()), expected)
            << "row " << row.number << " seed " << seed << " isas " << isa_names(ctx.isas()) << " threads "
            << ctx.num_threads();
      }
    }
  }
}

Call simple_call(int64_t m, int64_t n, int64_t k, DType output) {
  Rng rng(5);
  Call call{OwnedTensor(DType::kI8, {m, k}),
            OwnedTensor::transposed_storage(DType::kI8, {k, n}),
            OwnedTensor(DType::kF32, {n}),
            {},
            {},
            {},
            output};
  testing::fill_int8(call.x1, rng);
  testing::fill_int8(call.x2, rng);
  testing::fill_uniform(call.scale, rng, -0.001f, 0.001f);
  return call;
}

void expect_reference_everywhere(const Call& call) {
  const std::vector<std::byte> expected = compute(call, nullptr);
  for (auto& ctx : testing::all_contexts()) {
    EXPECT_EQ(compute(call, &ctx), expected) << isa_names(ctx.isas()) << " threads " << ctx.num_threads();
  }
}

TEST(QuantMatmul, CornerShapes) {
  for (const auto& [m, n, k] :
       {std::tuple(1, 1, 1), std::tuple(1, 300, 7), std::tuple(300, 1, 7), std::tuple(64, 65, 1),
        std::tuple(1, 3, 65535), std::tuple(9, 2, 65535), std::tuple(8, 64, 64), std::tuple(9, 64, 64)}) {
    for (DType output : {DType::kI32, DType::kI8, DType::kF16, DType::kBF16}) {
      expect_reference_everywhere(simple_call(m, n, k, output));
    }
  }
}

// All four corners of (-128, 127) x (-128, 127): what saturating instructions get wrong.
TEST(QuantMatmul, ExtremeValues) {
  for (int a : {-128, 127}) {
    for (int b : {-128, 127}) {
      for (int64_t m : {1, 8, 20}) {
        Call call = simple_call(m, 70, 65535, DType::kI32);
        std::fill_n(call.x1.data<int8_t>(), call.x1.numel(), static_cast<int8_t>(a));
        std::fill_n(call.x2.data<int8_t>(), call.x2.numel(), static_cast<int8_t>(b));
        std::vector<int32_t> expected(static_cast<size_t>(m * 70), a * b * 65535);
        for (auto& ctx : testing::all_contexts()) {
          const std::vector<std::byte> out = compute(call, &ctx);
          ASSERT_EQ(std::memcmp(out.data(), expected.data(), out.size()), 0)
              << a << " " << b << " " << isa_names(ctx.isas());
        }
      }
    }
  }
}

TEST(QuantMatmul, SumsAndBiasWrapModulo32Bits) {
  Call call = simple_call(9, 17, 200000, DType::kI32);  // 200000 * 2^14 > 2^31
  std::fill_n(call.x1.data<int8_t>(), call.x1.numel(), int8_t{-128});
  std::fill_n(call.x2.data<int8_t>(), call.x2.numel(), int8_t{-128});
  call.bias.emplace(DType::kI32, Dims({17}));
  std::fill_n(call.bias->data<int32_t>(), 17, std::numeric_limits<int32_t>::max());
  expect_reference_everywhere(call);
}

TEST(QuantMatmul, NonFiniteAndTinyScales) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const float specials[] = {std::nanf(""), kInf, -kInf, 0.0f, -0.0f, 1e-45f, 1e-38f, 3e38f, -3e38f, 1e-30f, 65504.0f};
  for (DType output : {DType::kI8, DType::kF16, DType::kBF16}) {
    for (int64_t m : {3, 20}) {
      Call call = simple_call(m, 11, 33, output);
      std::copy_n(specials, 11, call.scale.data<float>());
      std::fill_n(call.x1.data<int8_t>(), 33, int8_t{0});  // a row of zeros: 0 * inf is NaN
      expect_reference_everywhere(call);
    }
  }
}

TEST(QuantMatmul, RequantizesInTwoSteps) {
  Call call = simple_call(1, 1, 1, DType::kI8);
  call.x1.data<int8_t>()[0] = 100, call.x2.data<int8_t>()[0] = 3, call.scale.data<float>()[0] = 1.0f;
  call.offset.emplace(DType::kF32, Dims({1}));
  call.offset->data<float>()[0] = -200.0f;
  ExecutionContext ctx(1);
  EXPECT_EQ(static_cast<int>(compute(call, &ctx)[0]), 55);  // clamp(300) to 255, then - 200; not 100
}

TEST(QuantMatmul, ReadsBroadcastStrides) {
  Rng rng(3);
  OwnedTensor row(DType::kI8, {1, 50}), x2(DType::kI8, {50, 20}), scale(DType::kF32, {20});
  testing::fill_int8(row, rng);
  testing::fill_int8(x2, rng);
  testing::fill_uniform(scale, rng, 0, 0.01f);
  for (int64_t m : {4, 30}) {
    const ConstTensorView repeated(row.data<int8_t>(), DType::kI8, {m, 50}, {0, 1});
    const QuantMatmulArgs args{.x1 = repeated, .x2 = x2.view(), .scale = scale.view(), .output_dtype = DType::kBF16};
    std::vector<uint16_t> expected(static_cast<size_t>(m * 20)), out(expected.size());
    ref::quant_matmul(args, TensorView(expected.data(), DType::kBF16, {m, 20}));
    for (auto& ctx : testing::all_contexts()) {
      quant_matmul(args, TensorView(out.data(), DType::kBF16, {m, 20}), ctx, Product::kAtlasA2);
      ASSERT_EQ(out, expected);
    }
  }
}

}  // namespace
}  // namespace a8w8
