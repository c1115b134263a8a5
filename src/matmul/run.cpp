#include "matmul/run.h"

#include "matmul/run_dot.h"
#include "matmul/run_panels.h"

namespace a8w8 {

void run(const Plan& plan, const GemmProblem& problem, const EpilogueDesc& epilogue, std::byte* scratch,
         ExecutionContext& ctx) {
  plan.road == Road::kDot ? run_dot(plan, problem, epilogue, scratch, ctx)
                          : run_panels(plan, problem, epilogue, scratch, ctx);
}

}  // namespace a8w8
