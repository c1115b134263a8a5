// linear_dynamic and linear_static as cases, and dynamic_quant alone: what quantizing adds to the product.
#pragma once

#include "a8w8/dtype.h"
#include "cli/bench_case.h"

namespace a8w8::cli {

// Appends dynamic_quant, linear_dynamic and linear_static on x of dtype `in`, each for every number of threads. The
// layers are compared with the product alone: case baseline + i of the group for threads[i].
void add_linear_cases(Group& group, const Shape& shape, DType in, const std::vector<int>& threads, size_t baseline,
                      Contexts& contexts);

}  // namespace a8w8::cli
