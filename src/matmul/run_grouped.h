// Carries out a product whose k is cut into groups with scales of their own.
#pragma once

#include <cstddef>

#include "a8w8/context.h"
#include "kernels/registry.h"
#include "matmul/problem.h"

namespace a8w8 {

size_t grouped_scratch_bytes(const GroupedProblem& problem, const DotKernel& dot, int threads);
// `scratch` has grouped_scratch_bytes() bytes, 64-byte aligned, for the context's number of threads. Nothing is
// checked.
void run_grouped(const GroupedProblem& problem, const DotKernel& dot, std::byte* scratch, ExecutionContext& ctx);

}  // namespace a8w8
