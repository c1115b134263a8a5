#include "cli/gemm_cases.h"

#include <algorithm>
#include <utility>

#include "a8w8/kernels.h"
#include "a8w8/machine.h"
#include "a8w8/packed_weight.h"
#include "cli/answers.h"
#include "cli/buffer.h"

namespace a8w8::cli {
namespace {

size_t copies_for(size_t weight_bytes, bool cold) {
  if (!cold) return 1;
  // As much as measure_machine reads: eight times the last level, for caches do not forget the oldest first.
  const size_t total = static_cast<size_t>(std::clamp<int64_t>(8 * cache_bytes().l3, 256 << 20, int64_t{2} << 30));
  return std::max<size_t>(2, (total + weight_bytes - 1) / weight_bytes);
}

// Operands of ones first, where all results are the same and every one of them is looked at; then numbers without a
// pattern, which stay for the timing. The first case with these copies fills them.
std::optional<std::string> wrong_answer(GemmOperands& operands, WeightCopies& copies, bool& filled,
                                        ExecutionContext& ctx) {
  const auto compute = [&] { quant_matmul(operands.args(copies.next()), operands.out(), ctx); };
  if (!filled && !copies.cold()) {
    operands.fill_ones();
    copies.copy(operands.weight(), ctx);
    compute();
    if (auto wrong = wrong_constant(operands.args(), operands.out())) return "of operands of ones, " + *wrong;
  }
  operands.fill_random();
  if (!filled) copies.copy(operands.weight(), ctx);
  filled = true;
  compute();
  return wrong_element(operands.args(), operands.out());
}

}  // namespace

void WeightCopies::copy(const ConstTensorView& weight, ExecutionContext& ctx) {
  const size_t bytes = static_cast<size_t>(weight.numel()) * dtype_size(weight.dtype);
  views_.clear();
  owned_.clear();
  if (form_ == "stored" && !cold_) return views_.push_back(weight);
  for (size_t i = copies_for(bytes, cold_); i > 0; --i) {
    if (form_ == "packed") {
      const auto packed = std::make_shared<PackedWeight>(PackedWeight::pack(weight, ctx));
      owned_.push_back(packed);
      views_.push_back(packed->view());
      continue;
    }
    const auto copy = std::make_shared<Buffer>(bytes);
    std::memcpy(copy->data(), weight.data, bytes);
    owned_.push_back(copy);
    views_.push_back(ConstTensorView(copy->data(), weight.dtype, weight.sizes));
  }
}

void add_gemm_cases(Group& group, const std::shared_ptr<GemmOperands>& operands, const std::string& form, bool cold,
                    const std::vector<int>& threads, Contexts& contexts) {
  const GemmSpec& spec = operands->spec();
  const auto copies = std::make_shared<WeightCopies>(form, cold);
  const auto filled = std::make_shared<bool>(false);
  std::string variant = std::string(spec.int4 ? "int4_" : "") + short_name(spec.out) + (spec.bias ? "_bias" : "");
  if (spec.batch > 1) variant = "batch" + std::to_string(spec.batch) + "_" + variant;
  for (const int t : threads) {
    ExecutionContext& ctx = contexts.with(t);
    Case c;
    c.op = "gemm", c.variant = variant + "_" + form + (cold ? "_cold" : "_warm"), c.shape = spec.shape;
    c.isa = best_isa(ctx), c.kernel = gemm_kernel(ctx);
    c.batch = spec.batch, c.out = short_name(spec.out), c.weights = form, c.cold = cold, c.threads = t;
    c.operations = operands->operations(), c.bytes = operands->bytes();
    c.call = [operands, copies, &ctx] { quant_matmul(operands->args(copies->next()), operands->out(), ctx); };
    c.wrong = [operands, copies, filled, &ctx] { return wrong_answer(*operands, *copies, *filled, ctx); };
    group.push_back(std::move(c));
  }
}

std::string best_isa(const ExecutionContext& ctx) { return isa_name(list(ctx.isas()).back()); }

std::string gemm_kernel(const ExecutionContext& ctx) { return kernel_names(ctx.isas()).gemm; }

std::string quantize_kernel(const ExecutionContext& ctx) { return kernel_names(ctx.isas()).quantize; }

}  // namespace a8w8::cli
