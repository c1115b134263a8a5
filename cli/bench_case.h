// What a benchmark times: a call, how to tell whether its answer is right, and what it amounts to.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "a8w8/context.h"
#include "cli/shapes.h"

namespace a8w8::cli {

struct Case {
  std::string op;       // "gemm", "linear_dynamic", ...
  std::string variant;  // what else tells it from others, in words of a name: "bf16_stored_cold"
  int64_t batch = 1;
  Shape shape;              // n = 0: no product
  std::string isa, kernel;  // of the context, the kernel for products
  std::string weights;      // "stored" or "packed"
  std::string out;          // dtype of the result
  bool cold = false;        // each call finds its weight in no cache
  int threads = 1;
  double operations = 0;  // of a call, a multiply-add being two
  double bytes = 0;       // of operands and result, each counted once
  std::function<void()> call;
  std::function<std::optional<std::string>()> wrong;  // computes, and tells what is wrong with the answer
  std::optional<size_t> baseline = std::nullopt;      // the case of the same group to compare with

  std::string name() const { return op + "_" + shape.str() + "_" + variant + "_t" + std::to_string(threads); }
};

// Cases that take turns while they are timed. Groups are made when their turn comes, for they own their operands.
using Group = std::vector<Case>;
using MakeGroup = std::function<Group()>;

// One context for each number of threads, kept.
class Contexts {
 public:
  ExecutionContext& with(int threads) { return contexts_.try_emplace(threads, threads).first->second; }

 private:
  std::map<int, ExecutionContext> contexts_;
};

}  // namespace a8w8::cli
