// How a product is carried out: which kernels, which blocks, how many tasks, how much scratch. Made by a pure function,
// so that every branch can be tested on any machine; carried out by run.h.
//
// Two roads lead to the sums:
//
//   kDot     few rows of a (m <= kDotMaxM) against a weight stored n x k. Each weight byte is used so few times that
//   packing
//            it would cost more than the product: the dot kernel reads it where it lies. Tasks are ranges of columns.
//   kPanels  everything else. Tasks are nr columns x a range of rows: pack the panel of b (it stays in L2), then for
//            each mr rows compute the tile, which is still in L1 when the epilogue takes it. Rows of a are packed
//            beforehand, once, by all threads, at most kMaxPackedRows at a time, so that scratch does not grow with m.
//
// A weight in another form (int4, FRACTAL_NZ: format/weight_layout.h) takes the same roads: each task first gathers its
// columns as int8 rows into L2, and then reads those.
//
//            n: nr columns a task
//          ┌────┬────┬────┬────┐
//      m   │ t0 │ t1 │ t2 │ t3 │   row_splits = 1, or more where there are fewer panels than threads need
//          ├────┼────┼────┼────┤
//          │ t4 │ t5 │ t6 │ t7 │
//          └────┴────┴────┴────┘
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "a8w8/isa.h"
#include "kernels/registry.h"
#include "matmul/problem.h"

namespace a8w8 {

enum class Road { kDot, kPanels };

struct KernelChoice {
  const GemmKernel* gemm = nullptr;
  const DotKernel* dot = nullptr;
  const EpilogueKernel* epilogue = nullptr;
};
KernelChoice choose_kernels(IsaSet isas);

struct Plan : KernelChoice {
  Road road = Road::kPanels;
  int64_t batches = 1;
  int64_t chunk_rows = 0;  // rows of a that are packed, or computed, at a time
  int64_t block_cols = 0;  // columns of a task
  int64_t row_splits = 1;  // tasks along the rows of a chunk
  int workers = 1;         // threads that take part; each has its own scratch
  bool copy_a = false;     // kDot: the rows of a are not contiguous and are copied first

  // Bytes, and where things are in the scratch.
  size_t shared_bytes = 0;  // packed a (and its row corrections), or the copy of a
  size_t worker_bytes = 0;  // packed panel of b and one tile, or the sums of one task; then the gathered columns
  size_t gathered_at = 0;   // in a worker's scratch: block_cols rows of k int8, where b has a layout of its own
  size_t scratch_bytes() const { return shared_bytes + static_cast<size_t>(workers) * worker_bytes; }
};

// Up to so many rows the dot kernel is ahead of packing: on a Zen 3 (AVX2), n = k = 4096, 2 threads, 2.3 ms against 3.6
// ms for 16 rows, 4.1 against 4.5 for 24, 5.4 against 6.1 for 32, 8.7 against 7.5 for 48; with one thread and small n
// the balance tips at 24.
inline constexpr int64_t kDotMaxM = 24;
// Rows packed at a time: 12 MiB of packed a for k = 4096, and b is packed once for each 3072 rows.
inline constexpr int64_t kMaxPackedRows = 3072;

Plan make_plan(const GemmProblem& problem, const KernelChoice& kernels, int threads);

// "m=128 n=4096 k=4096 gemm_s8s8s32_6x16x2_avx2 blocks=..." for A8W8_VERBOSE.
std::string describe(const GemmProblem& problem, const Plan& plan);

}  // namespace a8w8
