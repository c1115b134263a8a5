#include "ops/execute.h"

#include <chrono>

#include "base/env.h"
#include "base/str_cat.h"
#include "matmul/run.h"

namespace a8w8 {
namespace {

// Level 2: why each faster kernel was passed over.
void log_refusals(IsaSet isas) {
  for (const IsaTable* table : isa_tables()) {
    for (const GemmKernel& kernel : table->gemm) {
      if (isas.contains(kernel.needs)) continue;
      const IsaSet missing = IsaSet::from_bits(kernel.needs.bits & ~isas.bits);
      const bool capped_away = supported_isas().contains(kernel.needs);
      log_line(str_cat("  not ", kernel.name, ": ", isa_names(missing),
                       capped_away ? " is above the cap" : " is not supported here"));
    }
  }
}

}  // namespace

void execute(const char* op, const Plan& plan, const GemmProblem& problem, const EpilogueDesc& epilogue,
             std::byte* scratch, ExecutionContext& ctx) {
  if (verbose_level() == 0) return run(plan, problem, epilogue, scratch, ctx);
  const auto start = std::chrono::steady_clock::now();
  run(plan, problem, epilogue, scratch, ctx);
  const std::chrono::duration<double, std::milli> ms = std::chrono::steady_clock::now() - start;
  log_line(str_cat(op, " ", describe(problem, plan), " out=", dtype_name(epilogue.out_dtype), " ", ms.count(), " ms"));
  if (verbose_level() > 1) log_refusals(ctx.isas());
}

}  // namespace a8w8
