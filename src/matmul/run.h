// Carries out a plan.
#pragma once

#include <cstddef>

#include "a8w8/context.h"
#include "matmul/plan.h"
#include "matmul/problem.h"

namespace a8w8 {

// `scratch` has plan.scratch_bytes() bytes, 64-byte aligned. Nothing is checked: the caller has validated the operands.
void run(const Plan& plan, const GemmProblem& problem, const EpilogueDesc& epilogue, std::byte* scratch,
         ExecutionContext& ctx);

}  // namespace a8w8
