// How a product is carried out: which kernels, which blocks, how many tasks, how much scratch. Made by a pure function,
// so that every branch can be tested on any machine; carried out by run.h.
//
// Two roads lead to the sums:
//
//   kDot     few rows of a against a weight stored n x k. Each weight byte is used so few times that packing it would
//            cost more than the product: the dot kernel reads it where it lies.
//   kPanels  everything else. A task packs a panel of b, unless it is packed already; then, for each mr rows, it
//            computes the tile, which is still in L1 when the epilogue takes it. The panel stays in L2 meanwhile; where
//            it would be too large, k is cut into blocks of kc, and the sums of all rows wait in scratch for the next.
//
// Tasks are ranges of columns:
//
//            n: block_cols columns a task
//          ┌────┬────┬────┬────┐
//      m   │ t0 │ t1 │ t2 │ t3 │   row_splits = 1, or more where there are fewer ranges than threads need
//          ├────┼────┼────┼────┤
//          │ t4 │ t5 │ t6 │ t7 │
//          └────┴────┴────┴────┘
//
// Rows of a are prepared first: packed by all threads for all, or, where the kernel reads them as they lie, just summed
// up. A chunk is what is prepared at a time: several matrices of a batch, or so many rows of one that scratch does not
// grow with m. On the dot road each worker packs the few rows for itself.
//
// A weight in another form (int4, FRACTAL_NZ: format/weight_layout.h) takes the same roads: each task first
// gathers its columns as int8 rows into L2, and then reads those; but int4 words along k are read by a dot kernel of
// their own where there is one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "a8w8/isa.h"
#include "cpu/cache_info.h"
#include "kernels/registry.h"
#include "matmul/layout.h"
#include "matmul/problem.h"

namespace a8w8 {

enum class Road { kDot, kPanels };

struct KernelChoice {
  const GemmKernel* gemm = nullptr;
  const DotKernel* dot = nullptr;
  const DotKernel* dot_int4 = nullptr;  // or null
  const EpilogueKernel* epilogue = nullptr;
};
KernelChoice choose_kernels(IsaSet isas);

struct Plan : KernelChoice {
  Road road = Road::kPanels;
  RowPacking a;
  bool a_in_place = false;  // rows of a are read where they lie
  bool gathers = false;     // columns of b, because of its layout
  int64_t batches = 1;
  int64_t chunk_batches = 1;  // matrices of a chunk; 1 unless chunk_rows is m
  int64_t chunk_rows = 0;     // rows of each
  int64_t block_cols = 0;     // columns of a task
  int64_t kc = 0;             // k of a block; all of it on the dot road
  int64_t row_splits = 1;     // tasks along the rows of a chunk
  int workers = 1;            // threads that take part; each has its own scratch

  // Bytes, and where things are in the scratch. First the queues of tasks. Then on the panel road packed a and its row
  // corrections, and for each worker its panel of b, its sums, its gathered columns; on the dot road for each worker
  // its sums, its packed a and corrections, its gathered columns.
  size_t packed_a_at = 0, row_init_at = 0, workers_at = 0;
  size_t sums_at = 0, gathered_at = 0, worker_bytes = 0;
  size_t scratch_bytes() const { return workers_at + static_cast<size_t>(workers) * worker_bytes; }
};

// a of a chunk. b is packed once for each chunk, so a chunk must be worth it, and fit into the last-level cache. Where
// b is packed already, a is nearer in smaller chunks: m = 2048, n = 11008, k = 4096, two cores of a Zen 4, 870 GOP/s
// with 12 MiB, 898 with 2.
inline constexpr int64_t kMaxChunkBytes = 12 << 20, kMaxPackedChunkBytes = 2 << 20;

Plan make_plan(const GemmProblem& problem, const KernelChoice& kernels, int threads, const CacheSizes& caches);

// "m=128 n=4096 k=4096 gemm_s8s8s32_6x16x2_avx2 blocks=..." for A8W8_VERBOSE.
std::string describe(const GemmProblem& problem, const Plan& plan);

}  // namespace a8w8
