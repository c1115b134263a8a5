// quant_matmul of int4 operands (rows 5, 6, 7 and, with groups, 9) and of weights in FRACTAL_NZ, against the reference,
// which knows neither blocks nor gathered columns.
#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "a8w8/context.h"
#include "a8w8/format.h"
#include "a8w8/op_table.h"
#include "a8w8/quant_matmul.h"
#include "support/contexts.h"
#include "support/matmul_calls.h"
#include "support/refusal.h"
#include "support/tensors.h"

namespace a8w8 {
namespace {

using testing::Call;
using testing::OwnedTensor;
using testing::pick;
using testing::Rng;
using testing::uniform_int;

OwnedTensor random_words(OwnedTensor words, Rng& rng) {
  for (int64_t i = 0; i < words.numel(); ++i) words.data<uint32_t>()[i] = static_cast<uint32_t>(rng());
  return words;
}

// (batch, m, k / 8) words times (k / 8, n), the transposed view of (n, k / 8), or (k, n / 8).
Call int4_call(const QuantMatmulRow& row, Rng& rng) {
  const int64_t words = uniform_int(rng, 1, 40), m = uniform_int(rng, 1, 40);
  const bool along_k = uniform_int(rng, 0, 1) == 1;
  const int64_t n = along_k ? uniform_int(rng, 1, 150) : 8 * uniform_int(rng, 1, 18);
  const Dims x1 = uniform_int(rng, 0, 1) ? Dims({m, words}) : Dims({2, m, words});
  OwnedTensor x2 =
      along_k ? OwnedTensor::transposed_storage(DType::kI32, {words, n}) : OwnedTensor(DType::kI32, {8 * words, n / 8});
  Call call{random_words(OwnedTensor(DType::kI32, x1), rng),
            random_words(std::move(x2), rng),
            testing::scale_vector(*pick(row.scale, rng), n, rng),
            {},
            {},
            {},
            *pick(row.output, rng)};
  if (auto t = pick(row.pertoken_scale, rng)) call.pertoken_scale = testing::vector(*t, m, rng, 0, 2, false);
  if (auto t = pick(row.bias, rng)) call.bias = testing::vector(*t, n, rng, -20000, 20000, false);
  return call;
}

void expect_reference_everywhere(const Call& call, const std::string& what) {
  const std::vector<std::byte> expected = testing::compute(call, nullptr);
  for (auto& ctx : testing::all_contexts()) {
    ASSERT_EQ(testing::compute(call, &ctx), expected)
        << what << " isas " << isa_names(ctx.isas()) << " threads " << ctx.num_threads();
  }
}

TEST(Int4, EveryRowGivesTheReferencesBits) {
  int rows = 0;
  for (const QuantMatmulRow& row : quant_matmul_table(Product::kAtlasA2)) {
    if (!row.x.contains(DType::kI32) || row.per_group) continue;
    ++rows;
    for (uint64_t seed = 0; seed < 25; ++seed) {
      Rng rng(seed * 100 + static_cast<uint64_t>(row.number));
      expect_reference_everywhere(int4_call(row, rng),
                                  "row " + std::to_string(row.number) + " seed " + std::to_string(seed));
    }
  }
  EXPECT_EQ(rows, 3);
}

// m and n past one block of the driver, k not a multiple of any register.
TEST(Int4, ManyRowsAndColumns) {
  const QuantMatmulRow row{
      5, DType::kI32, DType::kF32, DTypeSet::absent(), DTypeSet::absent(), DTypeSet::absent(), DType::kF16};
  for (int64_t m : {1, 25, 70}) {
    Rng rng(static_cast<uint64_t>(m));
    Call call = int4_call(row, rng);
    call.x1 = random_words(OwnedTensor(DType::kI32, {m, 33}), rng);
    call.x2 = random_words(OwnedTensor::transposed_storage(DType::kI32, {33, 700}), rng);
    call.scale = testing::vector(DType::kF32, 700, rng, -0.01f, 0.01f, false);
    expect_reference_everywhere(call, "m " + std::to_string(m));
  }
}

Call grouped_call(int64_t m, int64_t n, int64_t groups, int64_t group, Rng& rng) {
  const int64_t words = groups * group / 8;
  Call call{random_words(OwnedTensor(DType::kI32, {m, words}), rng),
            random_words(OwnedTensor::transposed_storage(DType::kI32, {words, n}), rng),
            OwnedTensor(DType::kF32, {groups, n}),
            OwnedTensor(DType::kF16, {groups, n}),
            OwnedTensor(DType::kF32, uniform_int(rng, 0, 1) ? Dims({m}) : Dims({m, 1})),
            {},
            uniform_int(rng, 0, 1) ? DType::kF16 : DType::kBF16,
            Dims({1, 1, group})};
  testing::fill_uniform(call.scale, rng, -0.01f, 0.01f);
  for (int64_t i = 0; i < groups * n; ++i)
    testing::set_element(*call.offset, i, static_cast<float>(uniform_int(rng, -8, 8)));
  testing::fill_uniform(*call.pertoken_scale, rng, 0.0f, 2.0f);
  return call;
}

TEST(Int4, GroupsAreScaledAndAddedUpInOrder) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Rng rng(seed);
    const int64_t group = 8 * uniform_int(rng, 1, 40);
    expect_reference_everywhere(
        grouped_call(uniform_int(rng, 1, 30), uniform_int(rng, 1, 150), uniform_int(rng, 1, 4), group, rng),
        "seed " + std::to_string(seed));
  }
}

// A zero point moves the sum of a group out of int32: 65528 * 8 * 65504 is about 2^35.
TEST(Int4, ZeroPointsDoNotOverflow) {
  Rng rng(1);
  Call call = grouped_call(3, 5, 1, 65528, rng);
  std::fill_n(call.x1.data<uint32_t>(), call.x1.numel(), 0x88888888u);
  for (int64_t i = 0; i < 5; ++i) testing::set_element(*call.offset, i, 65504.0f);
  expect_reference_everywhere(call, "");
}

// x2 of `call` laid out in blocks; `blocks` owns them. Orientation as x2 lies: a transposed view becomes the transposed
// view of the blocks.
QuantMatmulArgs with_blocks(const Call& call, int64_t c0, std::vector<std::byte>& blocks) {
  QuantMatmulArgs args = call.args();
  const bool transposed = !args.x2.is_contiguous();
  const ConstTensorView stored = transposed ? args.x2.transposed() : args.x2;
  const TensorDesc desc = fractal_nz_desc(stored, c0);
  blocks.resize(static_cast<size_t>(desc.bytes()));
  to_fractal_nz(stored, TensorView(blocks.data(), desc.dtype, desc.sizes));
  args.x2 = fractal_nz_view(blocks.data(), stored.dtype, stored.sizes);
  if (transposed) args.x2 = args.x2.transposed();
  return args;
}

void expect_same_from_blocks(const Call& call, int64_t c0) {
  const std::vector<std::byte> expected = testing::compute(call, nullptr);
  std::vector<std::byte> blocks, out(expected.size());
  const QuantMatmulArgs args = with_blocks(call, c0, blocks);
  const TensorDesc desc = infer(args, Product::kAtlasA2);
  for (auto& ctx : testing::all_contexts()) {
    quant_matmul(args, TensorView(out.data(), desc.dtype, desc.sizes), ctx, Product::kAtlasA2);
    ASSERT_EQ(out, expected) << args.x2.sizes.str() << args.x2.strides.str() << isa_names(ctx.isas());
  }
}

TEST(FractalNz, Int8WeightsInBothOrientationsAndBatches) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Rng rng(seed);
    const int64_t m = uniform_int(rng, 1, 40), n = uniform_int(rng, 1, 150), k = uniform_int(rng, 1, 200);
    const bool batched = seed % 4 == 0;
    const Dims x2 = batched ? Dims({2, 3, k, n}) : Dims({k, n});
    Call call{OwnedTensor(DType::kI8, batched ? Dims({2, 1, m, k}) : Dims({m, k})),
              seed % 2 ? OwnedTensor::transposed_storage(DType::kI8, x2) : OwnedTensor(DType::kI8, x2),
              testing::vector(DType::kF32, n, rng, -0.01f, 0.01f),
              {},
              {},
              {},
              DType::kBF16};
    testing::fill_int8(call.x1, rng);
    testing::fill_int8(call.x2, rng);
    expect_same_from_blocks(call, 0);
  }
}

// Where n or k is 1 both orientations have the same sizes and differ in strides alone.
TEST(FractalNz, SingleRowsAndColumns) {
  Rng rng(3);
  for (const Dims& x2 : {Dims({40, 1}), Dims({1, 40}), Dims({1, 1})}) {
    for (bool transposed : {false, true}) {
      Call call{OwnedTensor(DType::kI8, {5, x2[0]}),
                transposed ? OwnedTensor::transposed_storage(DType::kI8, x2) : OwnedTensor(DType::kI8, x2),
                testing::vector(DType::kF32, x2[1], rng, -0.01f, 0.01f),
                {},
                {},
                {},
                DType::kBF16};
      testing::fill_int8(call.x1, rng);
      testing::fill_int8(call.x2, rng);
      expect_same_from_blocks(call, 0);
    }
  }
}

TEST(FractalNz, Int4WordsHaveBlocksOfEight) {
  const auto table = quant_matmul_table(Product::kAtlasA2);
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Rng rng(seed);
    expect_same_from_blocks(int4_call(table[4], rng), 8);
    expect_same_from_blocks(grouped_call(9, 70, 2, 64, rng), 8);
  }
}

TEST(FractalNz, BlocksOfInt4WordsAreThoseOfTheStoredTensor) {
  int8_t bytes[8192] = {};
  QuantMatmulArgs args{.x1 = ConstTensorView(bytes, DType::kI32, {2, 4}),
                       .x2 = fractal_nz_view(bytes, DType::kI32, {16, 4}).transposed(),
                       .scale = ConstTensorView(bytes, DType::kF32, {16}),
                       .pertoken_scale = ConstTensorView(bytes, DType::kF32, {2}),
                       .output_dtype = DType::kBF16};
  EXPECT_EQ(infer(args).sizes, Dims({2, 16}));
  args.x2 = fractal_nz_view(bytes, DType::kI32, {4, 16});
  EXPECT_EQ(testing::refusal([&] { infer(args); }),
            "npu_quant_matmul: x2 is in FRACTAL_NZ with int4 words along k, but its blocks are those of (4, 16); they "
            "must be of (n, k / 8), seen transposed");
  args.x2 = fractal_nz_view(bytes, DType::kI32, {32, 2});
  EXPECT_EQ(infer(args).sizes, Dims({2, 16}));
  args.x2 = fractal_nz_view(bytes, DType::kI32, {2, 32}).transposed();
  EXPECT_EQ(testing::refusal([&] { infer(args); }),
            "npu_quant_matmul: x2 is in FRACTAL_NZ with int4 words along n, but its blocks are those of (2, 32); they "
            "must be of (k, n / 8)");
}

TEST(FractalNz, OnlyX2MayBeInBlocksAndOnlyWhole) {
  Rng rng(1);
  int8_t bytes[512] = {};
  QuantMatmulArgs args{.x1 = ConstTensorView(bytes, DType::kI8, {2, 32}),
                       .x2 = fractal_nz_view(bytes, DType::kI8, {32, 16}),
                       .scale = ConstTensorView(bytes, DType::kF32, {16}),
                       .output_dtype = DType::kBF16};
  EXPECT_EQ(infer(args).sizes, Dims({2, 16}));
  args.x2.strides[0] = 17;
  EXPECT_EQ(testing::refusal([&] { infer(args); }),
            "npu_quant_matmul: x2 is in FRACTAL_NZ with strides (17, 1) for shape (32, 16), but must be a whole "
            "tensor, or one with its last two dimensions exchanged");
  args.x2.strides[0] = 16;
  args.x1.format = Format::kFractalNz;
  EXPECT_EQ(testing::refusal([&] { infer(args); }),
            "npu_quant_matmul: an operand other than x2 is in FRACTAL_NZ or packed, but only x2 may be");
}

}  // namespace
}  // namespace a8w8
