#include "matmul/plan.h"

#include <algorithm>

#include "base/math.h"
#include "base/str_cat.h"
#include "matmul/layout.h"

namespace a8w8 {
namespace {

// A task shorter than this is not worth handing to another thread, which takes some microseconds: 2^18 multiply-adds
// are about that long on one core.
constexpr int64_t kMinTaskMacs = int64_t{1} << 18;
// Tasks a thread, so that a thread that is held up can be helped out by the others.
constexpr int64_t kTasksPerThread = 4;
// Columns of a dot task: at least so many that the row corrections which a kernel computes on each call cost little;
// and where there are more rows than a kernel takes at once, so few that their weights, 64 * k bytes, are still in L2
// for the next ones.
constexpr int64_t kMinDotCols = 64, kMaxDotCols = 512;

// A weight that is not int8 with strides is gathered: a task's columns go behind what else a worker needs.
void add_gathered_columns(const GemmProblem& p, Plan& plan) {
  if (p.b_layout == nullptr) return;
  plan.gathered_at = plan.worker_bytes;
  plan.worker_bytes += align_bytes(plan.block_cols * p.k);
}

int useful_workers(int64_t macs, int64_t tasks, int threads) {
  return static_cast<int>(std::clamp<int64_t>(std::min(macs / kMinTaskMacs, tasks), 1, threads));
}

void plan_dot(const GemmProblem& p, int threads, Plan& plan) {
  plan.road = Road::kDot;
  plan.chunk_rows = p.m;
  plan.copy_a = p.a_k_stride != 1 && p.k != 1;
  const int64_t macs = plan.batches * p.m * p.n * p.k;
  const int64_t wanted = ceil_div(p.n * plan.batches, threads * kTasksPerThread);
  const int64_t most = p.m > plan.dot->max_m || p.b_layout ? kMinDotCols : kMaxDotCols;
  plan.block_cols = std::min(p.n, round_up(std::clamp(wanted, kMinDotCols, most), kMinDotCols));
  plan.workers = useful_workers(macs, plan.batches * ceil_div(p.n, plan.block_cols), threads);
  plan.shared_bytes = plan.copy_a ? align_bytes(plan.batches * p.m * p.k) : 0;
  plan.worker_bytes = align_bytes(p.m * plan.block_cols * static_cast<int64_t>(sizeof(int32_t)));
  add_gathered_columns(p, plan);
}

void plan_panels(const GemmProblem& p, int threads, Plan& plan) {
  const GemmKernel& kernel = *plan.gemm;
  plan.road = Road::kPanels;
  plan.chunk_rows = std::min(p.m, round_down(kMaxPackedRows, kernel.mr));
  plan.block_cols = kernel.nr;
  const int64_t row_panels = ceil_div(plan.chunk_rows, kernel.mr), col_panels = ceil_div(p.n, kernel.nr);
  plan.workers = useful_workers(p.m * p.n * p.k, row_panels * col_panels, threads);  // batches run one after the other
  // Each split of the rows packs the panel of b again, so split only while tasks are too few to share out.
  const int64_t wanted_splits = ceil_div(plan.workers > 1 ? plan.workers * kTasksPerThread : 1, col_panels);
  plan.row_splits = std::min(wanted_splits, row_panels);
  plan.shared_bytes = static_cast<size_t>(row_panels) * packed_a(kernel, p.k).bytes;
  plan.worker_bytes = packed_b_bytes(kernel, p.k) + tile_bytes(kernel);
  add_gathered_columns(p, plan);
}

}  // namespace

KernelChoice choose_kernels(IsaSet isas) { return {&select_gemm(isas), &select_dot(isas), &select_epilogue(isas)}; }

Plan make_plan(const GemmProblem& problem, const KernelChoice& kernels, int threads) {
  Plan plan{kernels};
  plan.batches = problem.batch_count();
  const bool weight_rows_contiguous = problem.b_k_stride == 1 || problem.k == 1 || problem.b_layout != nullptr;
  if (problem.m <= kDotMaxM && weight_rows_contiguous) {
    plan_dot(problem, threads, plan);
  } else {
    plan_panels(problem, threads, plan);
  }
  return plan;
}

std::string describe(const GemmProblem& p, const Plan& plan) {
  const bool dot = plan.road == Road::kDot;
  return str_cat(plan.batches > 1 ? str_cat("batch=", plan.batches, " ") : std::string(), "m=", p.m, " n=", p.n,
                 " k=", p.k, " ", dot ? plan.dot->name : plan.gemm->name, " ", plan.epilogue->name,
                 " rows=", plan.chunk_rows, " cols=", plan.block_cols, " row_splits=", plan.row_splits,
                 " threads=", plan.workers, " scratch=", plan.scratch_bytes());
}

}  // namespace a8w8
