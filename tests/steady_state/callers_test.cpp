// Any number of threads may call at once, each with a context of its own: they share operands, and nothing that
// changes.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "a8w8/context.h"
#include "a8w8/linear_ops.h"
#include "a8w8/quant_matmul.h"
#include "support/tensors.h"

namespace a8w8 {
namespace {

using testing::OwnedTensor;

struct Shared {
  OwnedTensor x, x_q, weight, scale, pertoken_scale, bias;

  LinearDynamicArgs linear() const { return {x.view(), weight.view(), scale.view(), bias.view()}; }
  QuantMatmulArgs matmul(DType output) const {
    QuantMatmulArgs args{.x1 = x_q.view(), .x2 = weight.view().transposed(), .scale = scale.view()};
    args.output_dtype = output;
    if (output == DType::kBF16) args.pertoken_scale = pertoken_scale.view(), args.bias = bias.view();
    return args;
  }
};

Shared shared(int64_t m, int64_t n, int64_t k) {
  testing::Rng rng(static_cast<uint64_t>(m));
  Shared s{OwnedTensor(DType::kF32, {m, k}), OwnedTensor(DType::kI8, {m, k}), OwnedTensor(DType::kI8, {n, k}),
           OwnedTensor(DType::kF32, {n}),    OwnedTensor(DType::kF32, {m}),   OwnedTensor(DType::kF32, {n})};
  for (OwnedTensor* t : {&s.x, &s.scale, &s.pertoken_scale, &s.bias}) testing::fill_uniform(*t, rng, -1, 1);
  for (OwnedTensor* t : {&s.x_q, &s.weight}) testing::fill_int8(*t, rng);
  return s;
}

// All results of one pass over the shared operands.
std::vector<std::byte> results(const std::vector<Shared>& operands, ExecutionContext& ctx) {
  std::vector<std::byte> all;
  const auto append = [&](const TensorDesc& desc, auto compute) {
    std::vector<std::byte> out(static_cast<size_t>(desc.bytes()));
    compute(TensorView(out.data(), desc.dtype, desc.sizes));
    all.insert(all.end(), out.begin(), out.end());
  };
  for (const Shared& s : operands) {
    const LinearDynamicArgs linear = s.linear();
    append(infer(linear), [&](const TensorView& out) { linear_dynamic(linear, out, ctx); });
    for (DType output : {DType::kI8, DType::kBF16, DType::kI32}) {
      const QuantMatmulArgs matmul = s.matmul(output);
      append(infer(matmul), [&](const TensorView& out) { quant_matmul(matmul, out, ctx); });
    }
  }
  return all;
}

TEST(Callers, ManyAtOnceGetTheResultsOfOneAlone) {
  std::vector<Shared> operands;
  for (int64_t m : {1, 5, 33}) operands.push_back(shared(m, 72, 100));
  operands.push_back(shared(40, 300, 256));  // large enough for several threads
  ExecutionContext alone(1);
  const std::vector<std::byte> expected = results(operands, alone);

  constexpr int kCallers = 8;
  std::atomic<int> ready{0}, wrong{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&, i] {
      ExecutionContext ctx(1 + i % 3);
      ready.fetch_add(1);
      while (ready.load() < kCallers) std::this_thread::yield();
      for (int round = 0; round < 20; ++round) wrong.fetch_add(results(operands, ctx) != expected);
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace a8w8
