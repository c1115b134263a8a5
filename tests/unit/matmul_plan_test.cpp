// The driver with kernels of odd tiles, which shake tails, packing and blocking harder than the real ones, and the
// choices of make_plan for machines that need not be at hand.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "matmul/plan.h"
#include "matmul/run.h"
#include "matmul/share_out.h"
#include "runtime/scratch_layout.h"
#include "support/tensors.h"

namespace a8w8 {
namespace {

using testing::Rng;

// A kernel of any tile in the packed layout of kernels/gemm_kernel.h, with corrections to show that the driver hands
// them over.
template <int kMr, int kNr, int kKr>
struct OddKernel {
  static int64_t padded(int64_t k) { return (k + kKr - 1) / kKr * kKr; }

  static void pack_a(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
                     int32_t* row_init) noexcept {
    int8_t* to = static_cast<int8_t*>(panel);
    std::memset(to, 0, static_cast<size_t>(rows * padded(k)));
    for (int64_t i = 0; i < rows; ++i) {
      row_init[i] = 1000 * static_cast<int32_t>(a[i * row_stride]);
      for (int64_t p = 0; p < k; ++p) to[(p / kKr * rows + i) * kKr + p % kKr] = a[i * row_stride + p * k_stride];
    }
  }
  static void pack_b(const int8_t* b, int64_t k_stride, int64_t n_stride, int64_t k, int64_t cols,
                     void* panel) noexcept {
    int8_t* to = static_cast<int8_t*>(panel);
    std::memset(to, 77, static_cast<size_t>(kNr * padded(k)));  // tails of b may hold anything
    for (int64_t j = 0; j < cols; ++j) {
      for (int64_t p = 0; p < k; ++p) to[(p / kKr * kNr + j) * kKr + p % kKr] = b[p * k_stride + j * n_stride];
    }
  }
  static void run(int64_t rows, int64_t k, const void* a_panel, int64_t /*a_stride*/, const void* b_panel,
                  const int32_t* row_init, int32_t* c, int64_t ldc) noexcept {
    const int8_t *a = static_cast<const int8_t*>(a_panel), *b = static_cast<const int8_t*>(b_panel);
    for (int64_t i = 0; i < rows; ++i) {
      for (int j = 0; j < kNr; ++j) {
        int32_t sum = row_init ? row_init[i] - 1000 * a[i * kKr] : c[i * ldc + j];
        for (int64_t p = 0; p < padded(k); ++p)
          sum += a[(p / kKr * rows + i) * kKr + p % kKr] * b[(p / kKr * kNr + j) * kKr + p % kKr];
        c[i * ldc + j] = sum;
      }
    }
  }
  static GemmKernel row(const char* name) { return {name, Isa::kScalar, kMr, kNr, kKr, 1, 1, run, pack_a, pack_b}; }
};

const GemmKernel kOddKernels[] = {OddKernel<1, 1, 1>::row("odd_1x1x1"), OddKernel<4, 8, 4>::row("odd_4x8x4"),
                                  OddKernel<2, 16, 2>::row("odd_2x16x2"), OddKernel<7, 3, 5>::row("odd_7x3x5")};

// int32 results of `p` by definition.
std::vector<int32_t> naive(const GemmProblem& p) {
  std::vector<int32_t> c;
  for (int64_t g = 0; g < p.batch_count(); ++g) {
    const int64_t inner = p.batch_rank > 1 ? p.batch[1].size : 1;
    const int8_t *a = p.a, *b = p.b;
    if (p.batch_rank > 0) a += g / inner * p.batch[0].a_stride, b += g / inner * p.batch[0].b_stride;
    if (p.batch_rank > 1) a += g % inner * p.batch[1].a_stride, b += g % inner * p.batch[1].b_stride;
    for (int64_t i = 0; i < p.m; ++i) {
      for (int64_t j = 0; j < p.n; ++j) {
        int32_t sum = 0;
        for (int64_t q = 0; q < p.k; ++q)
          sum += a[i * p.a_row_stride + q * p.a_k_stride] * b[q * p.b_k_stride + j * p.b_n_stride];
        c.push_back(sum);
      }
    }
  }
  return c;
}

// A random problem over one buffer of bytes, any strides, up to two batch dimensions.
struct RandomProblem {
  explicit RandomProblem(Rng& rng, int64_t max_m = 40) : bytes(1 << 16) {
    for (int8_t& b : bytes) b = static_cast<int8_t>(testing::uniform_int(rng, -128, 127));
    p.m = testing::uniform_int(rng, 1, max_m), p.n = testing::uniform_int(rng, 1, 70),
    p.k = testing::uniform_int(rng, 1, 60);
    p.a = bytes.data() + testing::uniform_int(rng, 0, 7), p.b = bytes.data() + testing::uniform_int(rng, 20000, 20007);
    const bool a_rows = testing::uniform_int(rng, 0, 2) > 0, b_rows = testing::uniform_int(rng, 0, 2) > 0;
    p.a_row_stride = a_rows ? p.k + testing::uniform_int(rng, 0, 3) : 1, p.a_k_stride = a_rows ? 1 : p.m + 1;
    p.b_n_stride = b_rows ? p.k + testing::uniform_int(rng, 0, 3) : 1, p.b_k_stride = b_rows ? 1 : p.n + 2;
    p.batch_rank = static_cast<int>(testing::uniform_int(rng, 0, 2));
    for (int i = 0; i < p.batch_rank; ++i) {
      p.batch[i] = {testing::uniform_int(rng, 1, 3), testing::uniform_int(rng, 0, 1) * 100,
                    testing::uniform_int(rng, 0, 1) * 333};
    }
  }
  std::vector<int8_t> bytes;
  GemmProblem p;
};

std::vector<int32_t> run_problem(const GemmProblem& p, const Plan& plan, ExecutionContext& ctx) {
  std::vector<int32_t> out(static_cast<size_t>(p.batch_count() * p.m * p.n) + 1, 0x55555555);
  EpilogueDesc e;
  e.out_dtype = DType::kI32, e.out = out.data();
  std::vector<std::byte> scratch(plan.scratch_bytes() + 64);
  void* aligned = scratch.data();
  size_t space = scratch.size();
  std::align(64, plan.scratch_bytes(), aligned, space);
  run(plan, p, e, static_cast<std::byte*>(aligned), ctx);
  EXPECT_EQ(out.back(), 0x55555555);
  out.pop_back();
  return out;
}

constexpr CacheSizes kCaches;

// The same plan with more tasks, smaller chunks, more workers and shorter blocks of k than small problems get.
std::vector<Plan> odd_plans(Plan plan, const GemmProblem& p) {
  std::vector<Plan> plans;
  const int64_t unit = plan.gemm->kr;
  plan.row_splits = 3, plan.workers = 3;
  for (const int64_t kc : {p.k, unit, 3 * unit}) {
    plan.kc = std::min(kc, p.k);
    for (const bool whole : {true, false}) {
      plan.chunk_batches = whole ? std::min<int64_t>(plan.batches, 2) : 1;
      plan.chunk_rows = whole ? p.m : std::min<int64_t>(p.m, 2 * plan.gemm->mr);
      // Room for everything: queues of all workers, all of a and b, sums of all rows.
      ScratchLayout shared, own;
      shared.add<TaskRange>(plan.workers);
      plan.packed_a_at = shared.add<std::byte>(plan.batches * p.m * plan.a.bytes_per_row(p.k));
      plan.row_init_at = shared.add<int32_t>(plan.batches * p.m);
      plan.workers_at = shared.bytes();
      own.add<std::byte>(b_panel_bytes(*plan.gemm, p.k));
      plan.sums_at = own.add<int32_t>((p.m + 8) * plan.gemm->nr);
      plan.worker_bytes = plan.gathered_at = own.bytes();
      plans.push_back(plan);
    }
  }
  return plans;
}

TEST(Driver, OddTilesGiveTheExactSums) {
  Rng rng(7);
  ExecutionContext ctx(3);
  for (int round = 0; round < 150; ++round) {
    const RandomProblem problem(rng);
    const std::vector<int32_t> expected = naive(problem.p);
    for (const GemmKernel& kernel : kOddKernels) {
      KernelChoice kernels = choose_kernels(Isa::kScalar);
      kernels.gemm = &kernel;
      const Plan plan = make_plan(problem.p, kernels, 3, kCaches);
      ASSERT_EQ(run_problem(problem.p, plan, ctx), expected) << kernel.name << " round " << round;
      if (plan.road != Road::kPanels) continue;
      for (const Plan& odd : odd_plans(plan, problem.p)) {
        ASSERT_EQ(run_problem(problem.p, odd, ctx), expected) << describe(problem.p, odd) << ", round " << round;
      }
    }
  }
}

TEST(Driver, DotRoadGivesTheExactSums) {
  Rng rng(8);
  ExecutionContext ctx(3);
  for (int round = 0; round < 150; ++round) {
    RandomProblem problem(rng, choose_kernels(Isa::kScalar).dot->max_m);
    problem.p.b_n_stride = problem.p.k + 1, problem.p.b_k_stride = 1;
    const Plan plan = make_plan(problem.p, choose_kernels(Isa::kScalar), 3, kCaches);
    ASSERT_EQ(plan.road, Road::kDot);
    ASSERT_EQ(run_problem(problem.p, plan, ctx), naive(problem.p)) << "round " << round;
  }
}

GemmProblem shape(int64_t m, int64_t n, int64_t k, bool weight_rows = true) {
  GemmProblem p;
  p.m = m, p.n = n, p.k = k;
  p.a_row_stride = k, p.a_k_stride = 1;
  p.b_k_stride = weight_rows ? 1 : n, p.b_n_stride = weight_rows ? k : 1;
  return p;
}

constexpr IsaSet kUpToVnni = Isa::kScalar | Isa::kAvx2 | Isa::kAvx512Vnni;

TEST(Plan, FewRowsReadTheWeightWhereItLies) {
  const KernelChoice kernels = choose_kernels(kUpToVnni);
  for (int64_t m : {1, kernels.dot->max_m})
    EXPECT_EQ(make_plan(shape(m, 4096, 4096), kernels, 2, kCaches).road, Road::kDot);
  EXPECT_EQ(make_plan(shape(kernels.dot->max_m + 1, 4096, 4096), kernels, 2, kCaches).road, Road::kPanels);
  EXPECT_EQ(make_plan(shape(32, 4096, 384), kernels, 2, kCaches).road, Road::kPanels) << "sums of little k";
  EXPECT_EQ(make_plan(shape(1, 4096, 4), kernels, 2, kCaches).road, Road::kDot);
  EXPECT_EQ(make_plan(shape(1, 4096, 4096, false), kernels, 2, kCaches).road, Road::kPanels);
}

TEST(Plan, OneRowTakesPackedPanelsSideBySideWhereAKernelDoes) {
  const std::byte panels[1] = {};
  for (const IsaSet isas : {Isa::kScalar | Isa::kAvx2, kUpToVnni}) {
    const KernelChoice kernels = choose_kernels(isas);
    GemmProblem one = shape(1, 4096, 4096), two = shape(2, 4096, 4096);
    one.b_panels = two.b_panels = panels;
    EXPECT_EQ(make_plan(one, kernels, 2, kCaches).block_cols,
              kernels.gemm->row_beside ? kBeside * kernels.gemm->nr : kernels.gemm->nr);
    EXPECT_EQ(make_plan(two, kernels, 2, kCaches).block_cols, kernels.gemm->nr);
  }
  EXPECT_NE(choose_kernels(Isa::kScalar | Isa::kAvx2).gemm->row_beside, nullptr);
}

TEST(Plan, SmallWorkStaysOnOneThread) {
  EXPECT_EQ(make_plan(shape(1, 64, 64), choose_kernels(kUpToVnni), 16, kCaches).workers, 1);
  EXPECT_EQ(make_plan(shape(128, 4096, 4096), choose_kernels(kUpToVnni), 16, kCaches).workers, 16);
}

TEST(Plan, SplitsRowsOnlyWherePanelsAreTooFew) {
  const KernelChoice kernels = choose_kernels(kUpToVnni);
  EXPECT_EQ(make_plan(shape(512, 4096, 4096), kernels, 2, kCaches).row_splits, 1);
  EXPECT_GT(make_plan(shape(512, kernels.gemm->nr, 4096), kernels, 2, kCaches).row_splits, 1);
}

TEST(Plan, ScratchDoesNotGrowWithM) {
  const KernelChoice kernels = choose_kernels(Isa::kScalar | Isa::kAvx2);
  const size_t tall = make_plan(shape(100000, 4096, 4096), kernels, 2, kCaches).scratch_bytes();
  EXPECT_EQ(make_plan(shape(1000000, 4096, 4096), kernels, 2, kCaches).scratch_bytes(), tall);
  EXPECT_LT(make_plan(shape(1, 4096, 4096), kernels, 2, kCaches).scratch_bytes(), size_t{100000});
}

}  // namespace
}  // namespace a8w8
