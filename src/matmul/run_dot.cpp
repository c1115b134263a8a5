// The dot road, the simple one: a task is a range of columns, read where they lie.
#include "matmul/run_dot.h"

#include <algorithm>

#include "base/math.h"
#include "matmul/operands.h"
#include "matmul/share_out.h"

namespace a8w8 {
namespace {

// One worker. It packs the few rows of a for itself, when it meets their matrix: that costs less than fetching them
// from the core that had packed them for all.
struct DotRoad {
  Plan plan;
  GemmProblem p;
  EpilogueDesc e;
  std::byte* scratch;
  int64_t blocks = ceil_div(p.n, plan.block_cols);  // of columns
  int64_t packed_matrix = -1;

  void operator()(int64_t t, int64_t worker) {
    std::byte* const mine = scratch + plan.workers_at + static_cast<size_t>(worker) * plan.worker_bytes;
    std::byte* const a = mine + plan.packed_a_at;
    int32_t* const row_init = reinterpret_cast<int32_t*>(mine + plan.row_init_at);
    int32_t* const c = reinterpret_cast<int32_t*>(mine + plan.sums_at);
    const int64_t matrix = t / blocks, col = t % blocks * plan.block_cols;
    const int64_t cols = std::min(plan.block_cols, p.n - col);
    const Matrices at = operands_of_batch(p, matrix);
    if (matrix != packed_matrix) {
      plan.a.pack(at.a, p.a_row_stride, p.a_k_stride, p.m, p.k, a, row_init);
      packed_matrix = matrix;
    }
    const Columns b = columns_of(plan, p, at.b, col, cols, mine);
    plan.dot->run(p.m, cols, p.k, a, row_init, b.b, b.n_stride, c, cols);
    plan.epilogue->run(tile_at(e, p, matrix, 0, p.m, col, cols, c, cols));
  }
};

}  // namespace

void run_dot(const Plan& plan, const GemmProblem& problem, const EpilogueDesc& epilogue, std::byte* scratch,
             ExecutionContext& ctx) {
  DotRoad road{plan, problem, epilogue, scratch};
  share_out(ctx, plan.workers, plan.batches * road.blocks, scratch, road);
}

}  // namespace a8w8
