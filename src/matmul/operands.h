// Where the pieces of a problem lie: for the drivers of both roads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/epilogue_kernel.h"
#include "matmul/plan.h"
#include "matmul/problem.h"

namespace a8w8 {

struct Matrices {
  const int8_t* a;
  const int8_t* b;
};

// Where matrix number `index` of the batch (row-major) has its operands.
Matrices operands_of_batch(const GemmProblem& p, int64_t index);

// The rectangle of the result at (row, col) of a matrix of the batch, whose sums are at c.
EpilogueTile tile_at(const EpilogueDesc& e, const GemmProblem& p, int64_t batch, int64_t row, int64_t rows, int64_t col,
                     int64_t cols, const int32_t* c, int64_t ldc);

// Columns of b as a kernel reads them: where they lie, or gathered into a worker's scratch.
struct Columns {
  const int8_t* b;
  int64_t k_stride, n_stride;
};
Columns columns_of(const Plan& plan, const GemmProblem& p, const int8_t* b, int64_t col, int64_t cols, std::byte* mine);

}  // namespace a8w8
