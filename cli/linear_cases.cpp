#include "cli/linear_cases.h"

#include <memory>
#include <utility>

#include "cli/gemm_cases.h"
#include "cli/linear_operands.h"
#include "cli/operands.h"

namespace a8w8::cli {
namespace {

double bytes_of(const Shape& s, DType in) {
  const double element = static_cast<double>(dtype_size(in));
  const double m = static_cast<double>(s.m), n = static_cast<double>(s.n), k = static_cast<double>(s.k);
  return element * m * (k + n) + n * k + 4 * n;
}

}  // namespace

void add_linear_cases(Group& group, const Shape& shape, DType in, const std::vector<int>& threads, size_t baseline,
                      Contexts& contexts) {
  const auto operands = std::make_shared<LinearOperands>(shape, in);
  const double operations =
      2.0 * static_cast<double>(shape.m) * static_cast<double>(shape.n) * static_cast<double>(shape.k);
  using Call = std::function<void(ExecutionContext&)>;
  using Wrong = std::optional<std::string> (LinearOperands::*)() const;
  const auto add = [&](const char* op, const Call& call, Wrong wrong, bool has_product) {
    for (size_t i = 0; i < threads.size(); ++i) {
      ExecutionContext& ctx = contexts.with(threads[i]);
      Case c;
      c.op = op, c.variant = short_name(in), c.out = short_name(in), c.shape = shape;
      c.isa = best_isa(ctx), c.kernel = gemm_kernel(ctx), c.weights = "stored", c.threads = threads[i];
      c.operations = operations, c.bytes = bytes_of(shape, in);
      if (!has_product) {
        c.shape.n = 0, c.kernel = quantize_kernel(ctx), c.weights = "", c.out = "i8";
        c.operations = 0, c.bytes = static_cast<double>(shape.m * shape.k) * static_cast<double>(dtype_size(in) + 1);
      }
      c.call = [call, &ctx] { call(ctx); };
      c.wrong = [operands, call, wrong, &ctx] {
        call(ctx);
        return (operands.get()->*wrong)();
      };
      if (has_product) c.baseline = baseline + i;
      group.push_back(std::move(c));
    }
  };
  add(
      "dynamic_quant",
      [operands](ExecutionContext& ctx) {
        dynamic_quant(operands->quant_args(), operands->quantized(), operands->row_scales(), ctx);
      },
      &LinearOperands::wrong_quantized, false);
  add(
      "linear_dynamic",
      [operands](ExecutionContext& ctx) { linear_dynamic(operands->dynamic_args(), operands->out(), ctx); },
      &LinearOperands::wrong_dynamic, true);
  add(
      "linear_static",
      [operands](ExecutionContext& ctx) { linear_static(operands->static_args(), operands->out(), ctx); },
      &LinearOperands::wrong_static, true);
}

}  // namespace a8w8::cli
