// Plan, run, and the line that A8W8_VERBOSE asks for.
#pragma once

#include "a8w8/context.h"
#include "matmul/plan.h"
#include "matmul/problem.h"

namespace a8w8 {

// `scratch` has plan.scratch_bytes() bytes. `op` names the caller in the verbose line.
void execute(const char* op, const Plan& plan, const GemmProblem& problem, const EpilogueDesc& epilogue,
             std::byte* scratch, ExecutionContext& ctx);

}  // namespace a8w8
