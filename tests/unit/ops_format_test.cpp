// FRACTAL_NZ and int4 layouts: literal positions, round trips, and what is refused.
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "a8w8/format.h"
#include "support/refusal.h"
#include "support/tensors.h"

namespace a8w8 {
namespace {

using testing::OwnedTensor;
using testing::refusal;
using testing::Rng;

std::vector<int8_t> blocks_of(const ConstTensorView& x) {
  const TensorDesc desc = fractal_nz_desc(x);
  std::vector<int8_t> blocks(static_cast<size_t>(desc.bytes()), 99);
  to_fractal_nz(x, TensorView(blocks.data(), desc.dtype, desc.sizes));
  return blocks;
}

TEST(FractalNzLayout, PutsElementsWhereTheHeaderSays) {
  OwnedTensor x(DType::kI8, {33, 70});
  std::fill_n(x.data<int8_t>(), x.numel(), int8_t{0});
  x.data<int8_t>()[17 * 70 + 40] = 7;  // the example of format.h
  const std::vector<int8_t> blocks = blocks_of(x.view());
  EXPECT_EQ(blocks.size(), 3u * 3 * 16 * 32);
  EXPECT_EQ(blocks[2088], 7);
  EXPECT_EQ(std::accumulate(blocks.begin(), blocks.end(), 0), 7);  // and nothing else: padding is zero
}

TEST(FractalNzLayout, BlocksHaveTheDtypesWidth) {
  for (const auto& [dtype, c0] :
       {std::pair(DType::kI8, 32), std::pair(DType::kU8, 32), std::pair(DType::kF16, 16), std::pair(DType::kBF16, 16),
        std::pair(DType::kF32, 16), std::pair(DType::kI32, 16)}) {
    EXPECT_EQ(fractal_nz_desc(ConstTensorView(nullptr, dtype, {2, 17, 33})).sizes,
              Dims({2, (33 + c0 - 1) / c0, 2, 16, c0}));
  }
  EXPECT_EQ(fractal_nz_desc(ConstTensorView(nullptr, DType::kI32, {17, 33}), 8).sizes, Dims({5, 2, 16, 8}));
}

TEST(FractalNzLayout, RoundTripsAnyStridesDtypeAndBatch) {
  Rng rng(1);
  for (DType dtype : {DType::kI8, DType::kF16, DType::kF32, DType::kI64}) {
    for (const Dims& sizes : {Dims({1, 1}), Dims({15, 33}), Dims({16, 32}), Dims({3, 15, 17}), Dims({2, 2, 33, 70})}) {
      for (int64_t c0 : {0, 8, 64}) {
        OwnedTensor x = OwnedTensor::transposed_storage(dtype, sizes);
        testing::fill_uniform(x, rng, -100, 100);
        const TensorDesc desc = fractal_nz_desc(x.view(), c0);
        OwnedTensor blocks(dtype, desc.sizes), back(dtype, sizes);
        to_fractal_nz(std::as_const(x).view(), blocks.view());
        from_fractal_nz(std::as_const(blocks).view(), back.view());
        const TensorView to = back.view();
        for (int64_t i = 0; i < x.numel(); ++i) {  // x is stored transposed: compare by index
          Dims at = sizes;
          for (int64_t d = sizes.rank() - 1, rest = i; d >= 0; --d) at[d] = rest % sizes[d], rest /= sizes[d];
          int64_t from = 0;
          for (int d = 0; d < sizes.rank(); ++d) from += at[d] * x.view().strides[d];
          const size_t size = dtype_size(dtype);
          ASSERT_EQ(std::memcmp(x.data<std::byte>() + from * size, static_cast<std::byte*>(to.data) + i * size, size),
                    0);
        }
      }
    }
  }
}

TEST(FractalNzLayout, Refusals) {
  const ConstTensorView x(nullptr, DType::kI8, {15, 33});
  EXPECT_EQ(refusal([&] { fractal_nz_desc(ConstTensorView(nullptr, DType::kI8, {5})); }),
            "to_fractal_nz: x has shape (5,), but must have 2 to 6 dimensions");
  EXPECT_EQ(refusal([&] { fractal_nz_desc(x, -1); }),
            "to_fractal_nz: c0 is -1, but must be positive, or 0 for the default of the dtype");
  EXPECT_EQ(refusal([&] {
              to_fractal_nz(x, TensorView(nullptr, DType::kI8, {1, 1, 16, 32}));
            }),
            "to_fractal_nz: out is int8 (1, 1, 16, 32), but the result is int8 (2, 1, 16, 32)");
  EXPECT_EQ(refusal([&] {
              from_fractal_nz(ConstTensorView(nullptr, DType::kI8, {1, 1, 16, 32}),
                              TensorView(nullptr, DType::kI8, {15, 33}));
            }),
            "from_fractal_nz: blocks has shape (1, 1, 16, 32), but for a tensor (15, 33) it must be (2, 1, 16, 32)");
  EXPECT_EQ(refusal([&] {
              from_fractal_nz(x, TensorView(nullptr, DType::kI8, {15, 33}));
            }),
            "from_fractal_nz: blocks has shape (15, 33), but must be (..., N1, M1, 16, C0) and contiguous");
}

TEST(Int4, PacksElementZeroLowest) {
  const int32_t values[16] = {1, 2, 3, 4, 5, 6, 7, -8, -1, 0, 0, 0, 0, 0, 0, 23};  // 23 wraps to 7
  int32_t words[2];
  pack_int4(ConstTensorView(values, DType::kI32, {16}), TensorView(words, DType::kI32, {2}));
  EXPECT_EQ(static_cast<uint32_t>(words[0]), 0x87654321u);
  EXPECT_EQ(words[1], 0x7000000f);
  int8_t back[16];
  unpack_int4(ConstTensorView(words, DType::kI32, {2}), TensorView(back, DType::kI8, {16}));
  for (int i = 0; i < 15; ++i) EXPECT_EQ(back[i], values[i]);
  EXPECT_EQ(back[15], 7);
}

TEST(Int4, EveryNibbleInEveryPlaceRoundTrips) {
  Rng rng(2);
  for (bool transposed : {false, true}) {
    OwnedTensor values =
        transposed ? OwnedTensor::transposed_storage(DType::kI8, {5, 40}) : OwnedTensor(DType::kI8, {5, 40});
    for (int64_t i = 0; i < values.numel(); ++i)
      values.data<int8_t>()[i] = static_cast<int8_t>(testing::uniform_int(rng, -8, 7));
    OwnedTensor words(DType::kI32, {5, 5}), back(DType::kI8, {5, 40});
    pack_int4(std::as_const(values).view(), words.view());
    unpack_int4(std::as_const(words).view(), back.view());
    for (int64_t i = 0; i < 5; ++i) {
      for (int64_t j = 0; j < 40; ++j) {
        const Dims s = values.view().strides;
        EXPECT_EQ(back.data<int8_t>()[i * 40 + j], values.data<int8_t>()[i * s[0] + j * s[1]]);
      }
    }
  }
}

// The blocks of int4 words of eight equal the words of int4 blocks of 64: both are 32 bytes.
TEST(Int4, WordsOfBlocksAreBlocksOfWords) {
  Rng rng(3);
  OwnedTensor values(DType::kI8, {33, 80});
  for (int64_t i = 0; i < values.numel(); ++i)
    values.data<int8_t>()[i] = static_cast<int8_t>(testing::uniform_int(rng, -8, 7));
  OwnedTensor words(DType::kI32, {33, 10});
  pack_int4(std::as_const(values).view(), words.view());
  OwnedTensor blocks_of_words(DType::kI32, fractal_nz_desc(words.view(), 8).sizes);
  to_fractal_nz(std::as_const(words).view(), blocks_of_words.view());
  OwnedTensor blocks(DType::kI8, fractal_nz_desc(values.view(), 64).sizes);
  to_fractal_nz(std::as_const(values).view(), blocks.view());
  OwnedTensor words_of_blocks(DType::kI32, blocks_of_words.view().sizes);
  pack_int4(std::as_const(blocks).view(), words_of_blocks.view());
  EXPECT_EQ(blocks_of_words.bytes(), words_of_blocks.bytes());
}

TEST(Int4, Refusals) {
  EXPECT_EQ(refusal([] {
              pack_int4(ConstTensorView(nullptr, DType::kI32, {2, 12}), TensorView(nullptr, DType::kI32, {2, 1}));
            }),
            "pack_int4: values has shape (2, 12), but its last dimension must be a multiple of 8");
  EXPECT_EQ(
      refusal([] { unpack_int4(ConstTensorView(nullptr, DType::kI8, {2}), TensorView(nullptr, DType::kI8, {16})); }),
      "unpack_int4: words is int8, but must be int32");
  const auto pack = [](DType dtype, const Dims& sizes, const Dims& strides) {
    return refusal([&] { infer(Int4PackArgs{ConstTensorView(nullptr, dtype, sizes, strides)}); });
  };
  EXPECT_EQ(pack(DType::kI32, {4, 16}, {16, 1}), "accepted");
  EXPECT_EQ(pack(DType::kF32, {4, 16}, {16, 1}),
            "npu_convert_weight_to_int4pack: weight is float32, but must be int32");
  EXPECT_EQ(pack(DType::kI32, {16}, {1}),
            "npu_convert_weight_to_int4pack: weight has shape (16,), but must have 2 or 3 dimensions");
  EXPECT_EQ(pack(DType::kI32, {0, 16}, {16, 1}), "npu_convert_weight_to_int4pack: weight is empty, shape (0, 16)");
  EXPECT_EQ(pack(DType::kI32, {4, 16}, {1, 4}),
            "npu_convert_weight_to_int4pack: weight has strides (1, 4), but must be contiguous: (16, 1)");
  EXPECT_EQ(pack(DType::kI32, {4, 12}, {12, 1}),
            "npu_convert_weight_to_int4pack: the last dimension of weight (4, 12) is 12, but must be a multiple of 8");
}

}  // namespace
}  // namespace a8w8
