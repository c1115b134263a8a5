// quant_matmul as cases: one for each form of the weight, warm and cold, and each number of threads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/bench_case.h"
#include "cli/operands.h"

namespace a8w8::cli {

// "stored" or "packed", as often as there are copies: one if warm, and if cold so many that a copy has left every cache
// when its turn comes again.
class WeightCopies {
 public:
  WeightCopies(const std::string& form, bool cold) : form_(form), cold_(cold) {}

  void copy(const ConstTensorView& weight, ExecutionContext& ctx);  // anew
  const ConstTensorView& next() { return views_[turn_ = (turn_ + 1) % views_.size()]; }
  const std::string& form() const { return form_; }
  bool cold() const { return cold_; }

 private:
  std::string form_;
  bool cold_;
  std::vector<std::shared_ptr<void>> owned_;
  std::vector<ConstTensorView> views_;
  size_t turn_ = 0;
};

// Appends a case for each of `threads`.
void add_gemm_cases(Group& group, const std::shared_ptr<GemmOperands>& operands, const std::string& form, bool cold,
                    const std::vector<int>& threads, Contexts& contexts);

// What a row says about the kernels of a context.
std::string best_isa(const ExecutionContext& ctx);
std::string gemm_kernel(const ExecutionContext& ctx);
std::string quantize_kernel(const ExecutionContext& ctx);

}  // namespace a8w8::cli
