// The driver for groups of k: a task is a few columns, gathered once as int8 rows; for each row of a and each group the
// dot kernel makes the integer sums, which are then scaled and added up in group order.
#include "matmul/run_grouped.h"

#include <algorithm>

#include "a8w8/half.h"
#include "base/math.h"
#include "matmul/layout.h"
#include "matmul/share_out.h"
#include "runtime/scratch_layout.h"

namespace a8w8 {
namespace {

constexpr int64_t kTaskCols = 64;
constexpr int64_t kMaxTaskRows = 8;  // at most so many rows of a share one reading of the gathered columns
constexpr size_t kTile = kMaxTaskRows * kTaskCols;

// Where things are in the scratch: queues of tasks, row sums of a, packed a (for each task_rows rows, one panel a
// group) and its row corrections; then, per worker, gathered columns and a tile of integer and one of float sums.
struct Layout {
  Layout(const GroupedProblem& p, const DotKernel& dot, int threads)
      : task_rows(std::min<int64_t>(kMaxTaskRows, dot.max_m)),
        workers(static_cast<int>(std::min<int64_t>(ceil_div(p.n, kTaskCols), threads))),
        row_bytes(row_packing(dot).bytes_per_row(p.group)) {
    ScratchLayout shared, own;
    shared.add<TaskRange>(workers);
    row_sums_at = shared.add<int64_t>(p.m * p.groups());
    packed_at = shared.add<std::byte>(p.m * p.groups() * row_bytes);
    row_init_at = shared.add<int32_t>(p.m * p.groups());
    own.add<int8_t>(kTaskCols * p.k);
    sums_at = own.add<int32_t>(kTile);
    results_at = own.add<float>(kTile);
    workers_at = shared.bytes(), worker_bytes = own.bytes();
  }
  size_t bytes() const { return workers_at + static_cast<size_t>(workers) * worker_bytes; }

  int64_t task_rows;
  int workers;
  int64_t row_bytes;
  size_t row_sums_at, packed_at, row_init_at, workers_at, sums_at, results_at, worker_bytes;
};

// sum over p in group g of a(i, p): what a zero point of b is multiplied by.
void sum_rows(const GroupedProblem& p, int64_t* sums) {
  for (int64_t at = 0; at < p.m * p.groups(); ++at) {
    const int8_t* a = p.a + at * p.group;
    sums[at] = 0;
    for (int64_t q = 0; q < p.group; ++q) sums[at] += a[q];
  }
}

// Sums with a zero point can leave int32, so they are 64 bits wide until they become a float.
void add_group(const GroupedProblem& p, int64_t g, int64_t col, int64_t cols, const int32_t* c, int64_t row_sum,
               float* y) {
  const float* scale = p.scale + g * p.n + col;
  const int32_t* zero = p.zero + g * p.n + col;
  for (int64_t j = 0; j < cols; ++j) {
    const int64_t sum = c[j] - row_sum * zero[j];
    y[j] = y[j] + static_cast<float>(sum) * scale[j];
  }
}

void store_row(const GroupedProblem& p, int64_t row, int64_t col, int64_t cols, const float* y) {
  uint16_t* out = static_cast<uint16_t*>(p.out) + row * p.n + col;
  const auto round = p.out_dtype == DType::kF16 ? float_to_half : float_to_bfloat16;
  for (int64_t j = 0; j < cols; ++j) out[j] = round(y[j] * p.row_scale[row]);
}

}  // namespace

size_t grouped_scratch_bytes(const GroupedProblem& p, const DotKernel& dot, int threads) {
  return Layout(p, dot, threads).bytes();
}

void run_grouped(const GroupedProblem& p, const DotKernel& dot, std::byte* scratch, ExecutionContext& ctx) {
  const Layout at(p, dot, ctx.num_threads());
  int64_t* const row_sums = reinterpret_cast<int64_t*>(scratch + at.row_sums_at);
  int32_t* const row_init = reinterpret_cast<int32_t*>(scratch + at.row_init_at);
  // The panel of `rows` rows, from `row` on, in group g: row * groups + g * rows rows are packed before it.
  const auto before = [&](int64_t row, int64_t rows, int64_t g) { return row * p.groups() + g * rows; };
  const auto panel = [&](int64_t rows_before) { return scratch + at.packed_at + rows_before * at.row_bytes; };

  sum_rows(p, row_sums);
  for (int64_t row = 0; row < p.m; row += at.task_rows) {
    const int64_t rows = std::min(at.task_rows, p.m - row);
    for (int64_t g = 0; g < p.groups(); ++g) {
      const int64_t first = before(row, rows, g);
      dot.pack_a(p.a + row * p.k + g * p.group, p.k, 1, rows, p.group, panel(first), row_init + first);
    }
  }
  const int64_t tasks = ceil_div(p.n, kTaskCols);
  share_out(ctx, at.workers, tasks, scratch, [&](int64_t t, int64_t worker) {
    std::byte* const mine = scratch + at.workers_at + static_cast<size_t>(worker) * at.worker_bytes;
    const int64_t col = t * kTaskCols, cols = std::min(kTaskCols, p.n - col);
    int8_t* const b = reinterpret_cast<int8_t*>(mine);
    int32_t* const c = reinterpret_cast<int32_t*>(mine + at.sums_at);
    float* const y = reinterpret_cast<float*>(mine + at.results_at);
    gather_columns(p.b_layout, p.b, p.k, col, cols, b);
    for (int64_t row = 0; row < p.m; row += at.task_rows) {
      const int64_t rows = std::min(at.task_rows, p.m - row);
      std::fill_n(y, kTile, 0.0f);
      for (int64_t g = 0; g < p.groups(); ++g) {
        const int64_t first = before(row, rows, g);
        dot.run(rows, cols, p.group, panel(first), row_init + first, b + g * p.group, p.k, c, kTaskCols);
        for (int64_t i = 0; i < rows; ++i)
          add_group(p, g, col, cols, c + i * kTaskCols, row_sums[(row + i) * p.groups() + g], y + i * kTaskCols);
      }
      for (int64_t i = 0; i < rows; ++i) store_row(p, row + i, col, cols, y + i * kTaskCols);
    }
  });
}

}  // namespace a8w8
