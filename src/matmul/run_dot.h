// Carries out a plan of the dot road.
#pragma once

#include <cstddef>

#include "a8w8/context.h"
#include "matmul/plan.h"
#include "matmul/problem.h"

namespace a8w8 {

void run_dot(const Plan& plan, const GemmProblem& problem, const EpilogueDesc& epilogue, std::byte* scratch,
             ExecutionContext& ctx);

}  // namespace a8w8
