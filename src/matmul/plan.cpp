#include "matmul/plan.h"

#include <algorithm>

#include "base/math.h"
#include "base/str_cat.h"
#include "matmul/share_out.h"
#include "runtime/scratch_layout.h"

namespace a8w8 {
namespace {

// A task shorter than this is not worth handing to another thread, which takes some microseconds: 2^18 multiply-adds
// are about that long on one core.
constexpr int64_t kMinTaskMacs = int64_t{1} << 18;
// Tasks a thread, so that a thread that is held up can be helped out by the others.
constexpr int64_t kTasksPerThread = 4, kPackingTasksPerThread = 2;
// Columns of a dot task: a few times what the kernel has in flight, so that it can fetch ahead; with a gathered weight
// so few that they stay in L2.
constexpr int64_t kMinDotCols = 32, kMaxDotCols = 512, kGatheredDotCols = 64;

int useful_workers(int64_t macs, int64_t tasks, int threads) {
  return static_cast<int>(std::clamp<int64_t>(std::min(macs / kMinTaskMacs, tasks), 1, threads));
}

void plan_dot(const GemmProblem& p, int threads, Plan& plan) {
  plan.road = Road::kDot;
  plan.a = row_packing(*plan.dot);
  plan.chunk_batches = plan.batches, plan.chunk_rows = p.m;
  const int64_t wanted = ceil_div(p.n * plan.batches, threads * kTasksPerThread);
  const int64_t most = plan.gathers ? kGatheredDotCols : kMaxDotCols;
  plan.block_cols = std::min(p.n, round_up(std::clamp(wanted, kMinDotCols, most), kMinDotCols));
  plan.kc = p.k;
  plan.workers = useful_workers(plan.batches * p.m * p.n * p.k, plan.batches * ceil_div(p.n, plan.block_cols), threads);
  ScratchLayout shared, own;
  shared.add<TaskRange>(plan.workers);
  plan.sums_at = own.add<int32_t>(p.m * plan.block_cols);
  plan.packed_a_at = own.add<std::byte>(p.m * plan.a.bytes_per_row(p.k));
  plan.row_init_at = own.add<int32_t>(p.m);
  plan.gathered_at = own.add<int8_t>(plan.gathers ? plan.block_cols * p.k : 0);
  plan.workers_at = shared.bytes(), plan.worker_bytes = own.bytes();
}

void plan_chunks(const GemmProblem& p, Plan& plan) {
  const int64_t most = p.b_panels ? kMaxPackedChunkBytes : kMaxChunkBytes;
  const int64_t rows = std::max(most / plan.a.bytes_per_row(p.k), plan.a.max_rows);
  plan.chunk_rows = std::min(p.m, round_down(rows, plan.a.max_rows));
  plan.chunk_batches = plan.chunk_rows < p.m ? 1 : std::clamp<int64_t>(rows / p.m, 1, plan.batches);
}

void plan_panels_scratch(const GemmProblem& p, int64_t b_bytes, int64_t sums, Plan& plan) {
  const int64_t chunk_rows = plan.chunk_batches * plan.chunk_rows;
  ScratchLayout shared, own;
  shared.add<TaskRange>(plan.workers);
  plan.packed_a_at = shared.add<std::byte>(plan.a_in_place ? 0 : chunk_rows * plan.a.bytes_per_row(p.k));
  plan.row_init_at = shared.add<int32_t>(chunk_rows);
  own.add<std::byte>(b_bytes);
  plan.sums_at = own.add<int32_t>(sums);
  plan.gathered_at = own.add<int8_t>(plan.gathers ? plan.block_cols * p.k : 0);
  plan.workers_at = shared.bytes(), plan.worker_bytes = own.bytes();
}

// A block of b takes at most half of L2: the other half is for a, which passes by, and for the block that comes next.
int64_t block_of_k(const GemmProblem& p, const GemmKernel& kernel, const CacheSizes& caches) {
  const int64_t most = std::max<int64_t>(caches.l2 / 2 / (kernel.nr * kernel.b_bytes), 256);
  return round_up(round_up(ceil_div(p.k, ceil_div(p.k, most)), 64), kernel.kr);
}

void plan_panels(const GemmProblem& p, int threads, const CacheSizes& caches, Plan& plan) {
  const GemmKernel& kernel = *plan.gemm;
  plan.road = Road::kPanels;
  plan.a = row_packing(kernel);
  plan.a_in_place = plan.a.row_init != nullptr && (p.a_k_stride == 1 || p.k == 1);
  plan_chunks(p, plan);
  const bool beside = p.m == 1 && p.b_panels && kernel.row_beside;
  plan.block_cols = beside ? kBeside * kernel.nr : kernel.nr;
  const int64_t row_panels = ceil_div(plan.chunk_rows, kernel.mr);
  const int64_t ranges = plan.chunk_batches * ceil_div(p.n, plan.block_cols);
  plan.workers = useful_workers(plan.batches * p.m * p.n * p.k, row_panels * ranges, threads);
  // Each split of the rows packs the panel of b again, so split only while tasks are too few to share out.
  const int64_t tasks_per_thread = p.b_panels ? kTasksPerThread : kPackingTasksPerThread;
  const int64_t wanted_splits = ceil_div(plan.workers > 1 ? plan.workers * tasks_per_thread : 1, ranges);
  plan.row_splits = std::min(wanted_splits, row_panels);
  // With one tile a task, nothing in b is read twice, and blocks of k would have no use.
  const int64_t panels_of_task = ceil_div(row_panels, plan.row_splits);
  plan.kc = panels_of_task == 1 ? p.k : std::min(p.k, block_of_k(p, kernel, caches));
  const int64_t sums = (plan.kc < p.k ? panels_of_task : 1) * std::max<int64_t>(kernel.mr * kernel.nr, plan.block_cols);
  plan_panels_scratch(p, p.b_panels ? 0 : b_panel_bytes(kernel, plan.kc), sums, plan);
}

bool suits_dot(const GemmProblem& p, const DotKernel& dot) {
  return p.m <= dot.max_m && (p.m == 1 || p.m * dot.k_per_row <= p.k);
}

}  // namespace

KernelChoice choose_kernels(IsaSet isas) {
  return {&select_gemm(isas), &select_dot(isas), select_dot_int4(isas), &select_epilogue(isas)};
}

Plan make_plan(const GemmProblem& problem, const KernelChoice& kernels, int threads, const CacheSizes& caches) {
  Plan plan;
  static_cast<KernelChoice&>(plan) = kernels;
  plan.batches = problem.batch_count();
  const bool weight_rows_contiguous = problem.b_k_stride == 1 || problem.k == 1 || problem.b_layout != nullptr;
  plan.gathers = problem.b_layout != nullptr;
  if (kernels.dot_int4 && problem.b_layout && problem.b_layout->is_int4_rows() &&
      suits_dot(problem, *kernels.dot_int4)) {
    plan.dot = kernels.dot_int4, plan.gathers = false;
    plan_dot(problem, threads, plan);
  } else if (problem.b_panels == nullptr && weight_rows_contiguous && suits_dot(problem, *kernels.dot)) {
    plan_dot(problem, threads, plan);
  } else {
    plan_panels(problem, threads, caches, plan);
  }
  return plan;
}

std::string describe(const GemmProblem& p, const Plan& plan) {
  const bool dot = plan.road == Road::kDot;
  return str_cat(plan.batches > 1 ? str_cat("batch=", plan.batches, " ") : std::string(), "m=", p.m, " n=", p.n,
                 " k=", p.k, " ", dot ? plan.dot->name : plan.gemm->name, " ", plan.epilogue->name,
                 p.b_panels ? " packed" : "", " rows=", plan.chunk_rows, " cols=", plan.block_cols, " kc=", plan.kc,
                 " row_splits=", plan.row_splits, " threads=", plan.workers, " scratch=", plan.scratch_bytes());
}

}  // namespace a8w8
