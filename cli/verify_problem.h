// The random problems of `a8w8 verify`: operands, what the reference makes of them, and the library's call.
//
//   const VerifyOp& op = verify_ops()[0];
//   Problem problem = op.make(seed);                  // the same one for the same seed, on every machine
//   std::vector<Result> expected = problem.results(), got = problem.results();
//   problem.reference(expected);
//   problem.run(ctx, got);
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "a8w8/context.h"
#include "a8w8/tensor_view.h"

namespace a8w8::cli {

// Memory of one result, with a margin on either side that no kernel may touch; everything is filled with a pattern
// beforehand, so that an element which is never written shows.
class Result {
 public:
  explicit Result(const TensorDesc& desc);
  TensorView view() { return {bytes_.data() + kMargin, desc_.dtype, desc_.sizes}; }
  ConstTensorView view() const { return {bytes_.data() + kMargin, desc_.dtype, desc_.sizes}; }
  const TensorDesc& desc() const { return desc_; }
  bool margins_intact() const;

 private:
  static constexpr size_t kMargin = 64;
  TensorDesc desc_;
  std::vector<std::byte> bytes_;
};

struct Problem {
  std::string what;               // "m=3 n=17 k=64, int8 x int8 -> float16, ..."
  std::vector<TensorDesc> descs;  // of the results
  std::function<void(std::span<Result>)> reference;
  std::function<void(ExecutionContext&, std::span<Result>)> run;

  std::vector<Result> results() const { return {descs.begin(), descs.end()}; }
};

struct VerifyOp {
  const char* name;
  Problem (*make)(uint64_t seed);
};

std::span<const VerifyOp> verify_ops();

// Of quant_matmul, in verify_matmul.cpp, and the rest, in verify_float.cpp.
Problem matmul_problem(uint64_t seed);
Problem int4_problem(uint64_t seed);
Problem groups_problem(uint64_t seed);
Problem blocks_problem(uint64_t seed);
Problem packed_problem(uint64_t seed);
Problem linear_dynamic_problem(uint64_t seed);
Problem linear_static_problem(uint64_t seed);
Problem quantize_problem(uint64_t seed);
Problem dynamic_quant_problem(uint64_t seed);

}  // namespace a8w8::cli
