// Packed weights: every source packs to the same product as the plain weight, unpacks to what it was, and damaged or
// foreign bytes are refused.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "a8w8/context.h"
#include "a8w8/format.h"
#include "a8w8/linear.h"
#include "a8w8/packed_weight.h"
#include "a8w8/quant_matmul.h"
#include "support/contexts.h"
#include "support/refusal.h"
#include "support/tensors.h"

namespace a8w8 {
namespace {

using testing::OwnedTensor;
using testing::refusal;
using testing::Rng;
using testing::uniform_int;

OwnedTensor random_int8(const Dims& sizes, Rng& rng) {
  OwnedTensor t(DType::kI8, sizes);
  testing::fill_uniform(t, rng, -128, 127);
  return t;
}

std::vector<int8_t> unpacked(const PackedWeight& packed, ExecutionContext& ctx) {
  std::vector<int8_t> out(static_cast<size_t>(packed.n() * packed.k()));
  packed.unpack(TensorView(out.data(), DType::kI8, {packed.n(), packed.k()}), ctx);
  return out;
}

std::vector<std::byte> multiply(const ConstTensorView& x1, const ConstTensorView& x2, const ConstTensorView& scale,
                                ExecutionContext& ctx) {
  QuantMatmulArgs args{.x1 = x1, .x2 = x2, .scale = scale};
  args.output_dtype = x1.dtype == DType::kI32 ? DType::kF16 : DType::kBF16;
  const TensorDesc desc = infer(args);
  std::vector<std::byte> out(static_cast<size_t>(desc.bytes()));
  quant_matmul(args, TensorView(out.data(), desc.dtype, desc.sizes), ctx);
  return out;
}

TEST(PackedWeight, GivesTheBitsOfThePlainWeight) {
  Rng rng(1);
  for (auto& ctx : testing::all_contexts()) {
    for (int round = 0; round < 25; ++round) {
      const int64_t m = uniform_int(rng, 1, 70), n = uniform_int(rng, 1, 200), k = uniform_int(rng, 1, 300);
      const OwnedTensor x = random_int8({m, k}, rng), weight = random_int8({n, k}, rng);
      OwnedTensor scale(DType::kF32, {n});
      testing::fill_uniform(scale, rng, -0.01f, 0.01f);
      const PackedWeight packed = PackedWeight::pack(weight.view(), ctx);
      ASSERT_EQ(multiply(x.view(), packed.view().transposed(), std::as_const(scale).view(), ctx),
                multiply(x.view(), weight.view().transposed(), std::as_const(scale).view(), ctx))
          << m << " x " << n << " x " << k << " isas " << isa_names(ctx.isas());
    }
  }
}

// One row may take several panels at once: every number of them, the last one whole and not, a strided row, batches.
TEST(PackedWeight, GivesTheBitsOfThePlainWeightForOneRow) {
  Rng rng(5);
  for (auto& ctx : testing::all_contexts()) {
    for (const int64_t n : {1, 15, 16, 48, 49, 63, 64, 65, 127, 128, 129, 300, 640}) {
      const int64_t k = uniform_int(rng, 1, 700);
      const OwnedTensor x = random_int8({3, 2, k}, rng), weight = random_int8({n, k}, rng);
      OwnedTensor scale(DType::kF32, {n});
      testing::fill_uniform(scale, rng, -0.01f, 0.01f);
      const PackedWeight packed = PackedWeight::pack(weight.view(), ctx);
      ConstTensorView rows = x.view();  // (3, 1, k), which do not lie one behind the other
      rows.sizes = Dims({3, 1, k});
      for (const ConstTensorView& x1 : {rows, ConstTensorView(x.view().data, DType::kI8, {1, k})}) {
        ASSERT_EQ(multiply(x1, packed.view().transposed(), std::as_const(scale).view(), ctx),
                  multiply(x1, weight.view().transposed(), std::as_const(scale).view(), ctx))
            << n << " x " << k << " isas " << isa_names(ctx.isas());
      }
    }
  }
}

TEST(PackedWeight, TakesBatchesOfActivations) {
  Rng rng(2);
  ExecutionContext ctx(2);
  const OwnedTensor x = random_int8({3, 5, 40}, rng), weight = random_int8({70, 40}, rng);
  OwnedTensor scale(DType::kF32, {1});
  testing::fill_uniform(scale, rng, 0.01f, 0.02f);
  const PackedWeight packed = PackedWeight::pack(weight.view(), ctx);
  // Also with rows that do not fold into one matrix.
  ConstTensorView every_second = x.view();
  every_second.sizes = Dims({3, 2, 40}), every_second.strides = Dims({200, 80, 1});
  for (const ConstTensorView& x1 : {x.view(), every_second}) {
    EXPECT_EQ(multiply(x1, packed.view().transposed(), std::as_const(scale).view(), ctx),
              multiply(x1, weight.view().transposed(), std::as_const(scale).view(), ctx));
  }
}

TEST(PackedWeight, EverySourceUnpacksToTheWeight) {
  Rng rng(3);
  for (auto& ctx : testing::all_contexts()) {
    for (int round = 0; round < 10; ++round) {
      const int64_t n = uniform_int(rng, 1, 200), k = uniform_int(rng, 1, 200);
      const OwnedTensor rows = random_int8({n, k}, rng);
      OwnedTensor columns = OwnedTensor::transposed_storage(DType::kI8, {n, k});
      for (int64_t j = 0; j < n; ++j) {
        for (int64_t p = 0; p < k; ++p)
          columns.data<int8_t>()[p * n + j] = static_cast<const int8_t*>(rows.view().data)[j * k + p];
      }
      std::vector<int8_t> blocks(static_cast<size_t>(fractal_nz_desc(rows.view()).sizes.numel()));
      to_fractal_nz(rows.view(), TensorView(blocks.data(), DType::kI8, fractal_nz_desc(rows.view()).sizes));
      const ConstTensorView nz = fractal_nz_view(blocks.data(), DType::kI8, {n, k});
      const std::vector<int8_t> expected(static_cast<const int8_t*>(rows.view().data),
                                         static_cast<const int8_t*>(rows.view().data) + n * k);
      for (const ConstTensorView& source : {rows.view(), std::as_const(columns).view(), nz}) {
        ASSERT_EQ(unpacked(PackedWeight::pack(source, ctx), ctx), expected) << n << " x " << k;
      }
    }
  }
}

TEST(PackedWeight, TakesInt4Words) {
  Rng rng(4);
  ExecutionContext ctx(2);
  const int64_t m = 5, n = 70, words = 9;
  OwnedTensor x(DType::kI32, {m, words}), weight(DType::kI32, {n, words}), scale(DType::kF32, {n});
  for (int64_t i = 0; i < x.numel(); ++i) x.data<uint32_t>()[i] = static_cast<uint32_t>(rng());
  for (int64_t i = 0; i < weight.numel(); ++i) weight.data<uint32_t>()[i] = static_cast<uint32_t>(rng());
  testing::fill_uniform(scale, rng, -0.01f, 0.01f);
  const PackedWeight packed = PackedWeight::pack(std::as_const(weight).view(), ctx);
  EXPECT_EQ(packed.k(), 8 * words);
  EXPECT_EQ(packed.view().dtype, DType::kI32);
  EXPECT_EQ(
      multiply(std::as_const(x).view(), packed.view().transposed(), std::as_const(scale).view(), ctx),
      multiply(std::as_const(x).view(), std::as_const(weight).view().transposed(), std::as_const(scale).view(), ctx));
  const std::vector<int8_t> values = unpacked(packed, ctx);
  EXPECT_EQ(values[8], static_cast<int8_t>(static_cast<int32_t>(weight.data<uint32_t>()[1] << 28) >> 28));
}

TEST(PackedWeight, ServesTheLayers) {
  Rng rng(5);
  ExecutionContext ctx(2);
  const int64_t m = 4, n = 33, k = 50;
  const OwnedTensor weight = random_int8({n, k}, rng), x8 = random_int8({m, k}, rng);
  OwnedTensor x(DType::kF32, {m, k}), scale(DType::kF32, {n}), one(DType::kF32, {1}), zero(DType::kF32, {1});
  testing::fill_uniform(x, rng, -3, 3), testing::fill_uniform(scale, rng, 0.001f, 0.01f);
  testing::set_element(one, 0, 0.03f), testing::set_element(zero, 0, 2.0f);
  const PackedWeight packed = PackedWeight::pack(weight.view(), ctx);
  const auto results = [&](const ConstTensorView& w) {
    std::vector<float> dynamic(static_cast<size_t>(m * n)), fixed(dynamic);
    std::vector<int8_t> vendor(dynamic.size());
    const auto float_view = [&](std::vector<float>& y) { return TensorView(y.data(), DType::kF32, {m, n}); };
    QuantizedLinear(QuantizedLinear::Dynamic{w, std::as_const(scale).view()})
        .forward(std::as_const(x).view(), float_view(dynamic), ctx);
    QuantizedLinear(
        QuantizedLinear::Static{w, std::as_const(one).view(), std::as_const(zero).view(), std::as_const(scale).view()})
        .forward(std::as_const(x).view(), float_view(fixed), ctx);
    LinearA8W8Quant layer;
    layer.weight = w, layer.scale = std::as_const(scale).view();
    layer.forward(x8.view(), TensorView(vendor.data(), DType::kI8, {m, n}), ctx);
    return std::tuple(dynamic, fixed, vendor);
  };
  EXPECT_EQ(results(packed.view()), results(weight.view()));
}

TEST(PackedWeight, PacksIntoMemoryOfTheCaller) {
  Rng rng(6);
  ExecutionContext ctx(1);
  const OwnedTensor weight = random_int8({20, 30}, rng);
  const size_t bytes = PackedWeight::packed_bytes(weight.view(), ctx);
  EXPECT_EQ(PackedWeight::packed_bytes(ConstTensorView(nullptr, DType::kI8, {20, 30}), ctx), bytes);
  std::vector<std::byte> memory(bytes + 64);
  std::byte* aligned = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
  PackedWeight::pack_into(weight.view(), {aligned, bytes}, ctx);
  const PackedWeight owned = PackedWeight::pack(weight.view(), ctx);
  ASSERT_EQ(owned.bytes().size(), bytes);
  EXPECT_EQ(PackedWeight::view_of({aligned, bytes}).sizes, Dims({20, 30}));
  EXPECT_NE(refusal([&] {
              PackedWeight::pack_into(weight.view(), {aligned, bytes - 1}, ctx);
            }).find("must have"),
            std::string::npos);
  EXPECT_NE(refusal([&] {
              PackedWeight::pack_into(weight.view(), {aligned + 1, bytes}, ctx);
            }).find("aligned"),
            std::string::npos);
}

// One header field at a time, and what the message says.
TEST(PackedWeight, DamagedBytesAreRefused) {
  Rng rng(7);
  ExecutionContext ctx(1);
  const OwnedTensor weight = random_int8({20, 30}, rng);
  const PackedWeight packed = PackedWeight::pack(weight.view(), ctx);
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::vector<Line> copy(packed.bytes().size() / 64 + 1);
  std::byte* const bytes = copy[0].bytes;
  const auto message = [&](size_t at, const void* value, size_t size) {
    std::memcpy(bytes, packed.bytes().data(), packed.bytes().size());
    std::memcpy(bytes + at, value, size);
    return refusal([&] { PackedWeight::view_of({bytes, packed.bytes().size()}); });
  };
  const int64_t wrong_size = 21, huge = int64_t{1} << 40;
  const uint32_t version = 7;
  EXPECT_EQ(message(0, "A8", 2), "accepted");
  EXPECT_NE(message(0, "B", 1).find("do not begin with A8W8PACK"), std::string::npos);
  EXPECT_NE(message(8, &version, 4).find("of version 7"), std::string::npos);
  EXPECT_NE(message(80, &huge, 8).find("damaged"), std::string::npos);
  EXPECT_NE(message(88, &huge, 8).find("damaged"), std::string::npos);
  EXPECT_NE(message(96, &wrong_size, 8).find("damaged"), std::string::npos);
  EXPECT_NE(refusal([&] { PackedWeight::view_of({}); }).find("less than its header"), std::string::npos);
  EXPECT_NE(refusal([] { PackedWeight().n(); }).find("less than its header"), std::string::npos);
  ConstTensorView other = packed.view();
  other.sizes = Dims({20, 15}), other.strides = Dims({15, 1});
  const OwnedTensor x = random_int8({2, 15}, rng), scale(DType::kF32, {1});
  EXPECT_NE(refusal([&] { multiply(x.view(), other.transposed(), scale.view(), ctx); }).find("its view says (20, 15)"),
            std::string::npos);
}

TEST(PackedWeight, IsRefusedWhereItsKernelMayNotRun) {
  Rng rng(8);
  ExecutionContext ctx(1), scalar(1);
  scalar.set_max_isa(Isa::kScalar);
  if (ctx.isas() == scalar.isas()) GTEST_SKIP() << "this machine has nothing but scalar kernels";
  const OwnedTensor weight = random_int8({20, 30}, rng), x = random_int8({2, 30}, rng), scale(DType::kF32, {1});
  const PackedWeight packed = PackedWeight::pack(weight.view(), ctx);
  const std::string message = refusal([&] { multiply(x.view(), packed.view().transposed(), scale.view(), scalar); });
  EXPECT_NE(message.find(packed.kernel()), std::string::npos) << message;
  EXPECT_NE(message.find("pack the plain weight again"), std::string::npos) << message;
}

TEST(PackedWeight, WrongSourcesAndPlacesAreRefused) {
  Rng rng(9);
  ExecutionContext ctx(1);
  const OwnedTensor weight = random_int8({20, 30}, rng), x = random_int8({2, 30}, rng), scale(DType::kF32, {1});
  const PackedWeight packed = PackedWeight::pack(weight.view(), ctx);
  const OwnedTensor floats(DType::kF32, {20, 30});
  EXPECT_NE(refusal([&] { PackedWeight::pack(floats.view(), ctx); }).find("weight is float32"), std::string::npos);
  EXPECT_NE(refusal([&] {
              PackedWeight::pack(random_int8({2, 3, 4}, rng).view(), ctx);
            }).find("(2, 3, 4)"),
            std::string::npos);
  EXPECT_NE(refusal([&] { PackedWeight::pack(packed.view(), ctx); }).find("packed already"), std::string::npos);
  EXPECT_NE(refusal([&] { multiply(x.view(), packed.view(), scale.view(), ctx); }).find("transposed view"),
            std::string::npos);
  EXPECT_NE(
      refusal([&] { multiply(packed.view(), weight.view().transposed(), scale.view(), ctx); }).find("other than x2"),
      std::string::npos);
}

}  // namespace
}  // namespace a8w8
