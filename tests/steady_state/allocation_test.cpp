// From its second call on, an operation allocates nothing: the scratch of its context is there already. This binary
// counts what goes through operator new, on all threads.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "a8w8/context.h"
#include "a8w8/format.h"
#include "a8w8/linear_ops.h"
#include "a8w8/op_table.h"
#include "a8w8/quant_matmul.h"
#include "a8w8/quant_param.h"
#include "a8w8/quantize.h"
#include "support/matmul_calls.h"
#include "support/tensors.h"

namespace {

std::atomic<int64_t> allocations{0};

void* counted(size_t size, size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* const p = std::aligned_alloc(alignment, (size + alignment) / alignment * alignment);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}

}  // namespace

// The other forms of new and delete call these.
void* operator new(size_t size) { return counted(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__); }
void* operator new(size_t size, std::align_val_t alignment) { return counted(size, static_cast<size_t>(alignment)); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { std::free(p); }

namespace a8w8 {
namespace {

using testing::OwnedTensor;
using testing::Rng;

int64_t allocations_of(const std::function<void()>& call) {
  const int64_t before = allocations.load();
  call();
  return allocations.load() - before;
}

// `call` with contexts of one thread, of several, and with the caller's threads; three times each.
void expect_steady(const std::string& what, const std::function<void(ExecutionContext&)>& call) {
  std::vector<ExecutionContext> contexts;
  contexts.emplace_back(1);
  contexts.emplace_back(3);
  contexts.emplace_back(2, [](int64_t tasks, FunctionRef<void(int64_t)> task) {
    for (int64_t t = 0; t < tasks; ++t) task(t);
  });
  for (ExecutionContext& ctx : contexts) {
    call(ctx);
    for (int round = 0; round < 2; ++round)
      EXPECT_EQ(allocations_of([&] { call(ctx); }), 0) << what << ", threads: " << ctx.num_threads();
  }
}

// Memory for a result, which is the caller's business.
class Output {
 public:
  explicit Output(const TensorDesc& desc) : desc_(desc), bytes_(static_cast<size_t>(desc.bytes())) {}
  TensorView view() { return TensorView(bytes_.data(), desc_.dtype, desc_.sizes); }

 private:
  TensorDesc desc_;
  std::vector<std::byte> bytes_;
};

OwnedTensor int8(const Dims& sizes, Rng& rng) {
  OwnedTensor t(DType::kI8, sizes);
  testing::fill_int8(t, rng);
  return t;
}

OwnedTensor uniform(DType dtype, const Dims& sizes, Rng& rng) {
  OwnedTensor t(dtype, sizes);
  testing::fill_uniform(t, rng, 0.01f, 1.0f);
  return t;
}

void expect_steady(const std::string& what, const QuantMatmulArgs& args) {
  Output out(infer(args));
  expect_steady(what, [&](ExecutionContext& ctx) { quant_matmul(args, out.view(), ctx); });
}

TEST(Allocation, IsCounted) {
  EXPECT_EQ(allocations_of([] {}), 0);
  EXPECT_EQ(allocations_of([] { ::operator delete(::operator new(100)); }), 1);
  EXPECT_GE(allocations_of([] { ExecutionContext(1).scratch(1000); }), 1);
}

// Every row of the table, with few rows of x1 and with many, weights either way up, scales for one and for all.
TEST(Allocation, QuantMatmulIsSteady) {
  Rng rng(1);
  for (const QuantMatmulRow& row : quant_matmul_table(Product::kAtlasA2)) {
    if (row.per_group) continue;
    for (int round = 0; round < 24; ++round) {
      const int64_t m = round % 3 == 0 ? 1 : round % 3 == 1 ? 20 : 130, n = 64 + 8 * (round % 5), k = 128;
      const DType x = *testing::pick(row.x, rng);
      const int64_t words = x == DType::kI32 ? k / kInt4PerWord : k;
      const OwnedTensor x1 = int8({m, words * (x == DType::kI32 ? 4 : 1)}, rng);  // any bytes are int4 words
      const OwnedTensor weight = int8({n, words * (x == DType::kI32 ? 4 : 1)}, rng);
      const OwnedTensor scale = testing::scale_vector(*testing::pick(row.scale, rng), n, rng);
      QuantMatmulArgs args{.x1 = ConstTensorView(x1.bytes().data(), x, {m, words}),
                           .x2 = ConstTensorView(weight.bytes().data(), x, {n, words}).transposed(),
                           .scale = scale.view()};
      if (x == DType::kI8 && round % 2) args.x2 = ConstTensorView(weight.bytes().data(), x, {k, n});
      std::vector<OwnedTensor> given;
      given.reserve(3);
      const auto give = [&](DTypeSet allowed, int64_t length, std::optional<ConstTensorView>& to) {
        const std::optional<DType> dtype = testing::pick(allowed, rng);
        if (!dtype) return;
        given.push_back(uniform(*dtype, {length}, rng));
        to = std::as_const(given.back()).view();
      };
      give(row.offset, n, args.offset);
      give(row.bias, n, args.bias);
      give(row.pertoken_scale, m, args.pertoken_scale);
      args.output_dtype = *testing::pick(row.output, rng);
      expect_steady("row " + std::to_string(row.number) + ", m = " + std::to_string(m), args);
    }
  }
}

TEST(Allocation, QuantMatmulOfOtherFormsIsSteady) {
  Rng rng(2);
  const int64_t m = 9, n = 96, k = 128;
  const OwnedTensor x1 = int8({m, k}, rng), batch = int8({3, m, k}, rng), weight = int8({n, k}, rng);
  const OwnedTensor scale = uniform(DType::kF32, {n}, rng), pertoken_scale = uniform(DType::kF32, {m}, rng);
  QuantMatmulArgs args{.x1 = x1.view(), .x2 = weight.view().transposed(), .scale = scale.view()};
  args.pertoken_scale = pertoken_scale.view(), args.output_dtype = DType::kBF16;

  args.x1 = batch.view();
  expect_steady("a batch", args);
  const OwnedTensor columns = OwnedTensor::transposed_storage(DType::kI8, {m, k});
  args.x1 = columns.view();
  expect_steady("x1 by columns", args);

  args.x1 = x1.view();
  Output blocks(fractal_nz_desc(weight.view()));
  to_fractal_nz(weight.view(), blocks.view());
  args.x2 = fractal_nz_view(blocks.view().data, DType::kI8, {n, k}).transposed();
  expect_steady("FRACTAL_NZ", args);

  const int64_t group = 32, words = k / kInt4PerWord;
  const OwnedTensor group_scale = uniform(DType::kF32, {k / group, n}, rng);
  const OwnedTensor group_offset = uniform(DType::kF16, {k / group, n}, rng);
  args.x1 = ConstTensorView(x1.bytes().data(), DType::kI32, {m, words});
  args.x2 = ConstTensorView(weight.bytes().data(), DType::kI32, {n, words}).transposed();
  args.scale = group_scale.view(), args.offset = group_offset.view(), args.group_sizes = Dims({1, 1, group});
  expect_steady("groups", args);
}

TEST(Allocation, LinearIsSteady) {
  Rng rng(3);
  const int64_t n = 96, k = 200;
  const OwnedTensor weight = int8({n, k}, rng), weight_scale = uniform(DType::kF32, {n, 1}, rng);
  const OwnedTensor input_scale = uniform(DType::kF32, {1}, rng), input_offset = uniform(DType::kF32, {1}, rng);
  OwnedTensor quant_bias(DType::kI32, {n}), words(DType::kI64, {n});
  const ConstTensorView deq_scales[] = {ConstTensorView(weight_scale.bytes().data(), DType::kF32, {n}),
                                        std::as_const(words).view()};
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    const OwnedTensor bias = uniform(dtype, {n}, rng);
    for (int64_t m : {1, 20, 130}) {
      const OwnedTensor dense = uniform(dtype, {m, k}, rng);
      const OwnedTensor columns = OwnedTensor::transposed_storage(dtype, {m, k});
      for (const OwnedTensor* x : {&dense, &columns}) {
        LinearDynamicArgs dynamic{x->view(), weight.view(), weight_scale.view(), bias.view()};
        Output y(infer(dynamic));
        expect_steady("linear_dynamic", [&](ExecutionContext& ctx) { linear_dynamic(dynamic, y.view(), ctx); });
        for (const ConstTensorView& deq_scale : deq_scales) {
          LinearStaticArgs fixed{x->view(),           input_scale.view(),
                                 input_offset.view(), weight.view(),
                                 deq_scale,           std::as_const(quant_bias).view(),
                                 bias.view(),         m == 20};
          expect_steady("linear_static", [&](ExecutionContext& ctx) { linear_static(fixed, y.view(), ctx); });
        }
      }
    }
  }
}

TEST(Allocation, QuantizingIsSteady) {
  Rng rng(4);
  const int64_t m = 40, k = 96;
  const OwnedTensor x = uniform(DType::kBF16, {m, k}, rng), smooth = uniform(DType::kBF16, {k}, rng);
  const OwnedTensor scales = uniform(DType::kF32, {k}, rng), zero_points = uniform(DType::kF32, {k}, rng);
  for (DType dtype : {DType::kI8, DType::kU8, DType::kI32}) {
    QuantizeArgs args;
    args.x = x.view(), args.scales = scales.view(), args.zero_points = zero_points.view(), args.dtype = dtype;
    args.axis = 1;
    Output y(infer(args));
    expect_steady("quantize", [&](ExecutionContext& ctx) { quantize(args, y.view(), ctx); });
  }
  for (bool int4 : {false, true}) {
    DynamicQuantArgs args{x.view()};
    args.smooth_scales = smooth.view(), args.int4 = int4;
    const DynamicQuantDesc desc = infer(args);
    Output y(desc.y), scale(desc.scale);
    expect_steady("dynamic_quant", [&](ExecutionContext& ctx) { dynamic_quant(args, y.view(), scale.view(), ctx); });
  }
  const TransQuantParamArgs param{scales.view(), zero_points.view()};
  Output words(infer(param));
  EXPECT_EQ(allocations_of([&] { trans_quant_param(param, words.view()); }), 0);
}

}  // namespace
}  // namespace a8w8
