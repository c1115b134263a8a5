// The driver for groups of k: a task is a few columns, gathered once as int8 rows; for each row of a and each group the
// dot kernel makes the integer sums, which are then scaled and added up in group order.
#include "matmul/run_grouped.h"

#include <algorithm>

#include "a8w8/half.h"
#include "base/math.h"
#include "matmul/layout.h"
#include "matmul/share_out.h"

namespace a8w8 {
namespace {

constexpr int64_t kTaskCols = 64;
constexpr int64_t kTaskRows = 8;  // at most so many rows of a share one reading of the gathered columns

// Scratch: row sums of a for all, and per worker the gathered columns and a tile of integer and one of float sums.
size_t row_sums_bytes(const GroupedProblem& p) {
  return align_bytes(p.m * p.groups() * static_cast<int64_t>(sizeof(int64_t)));
}
size_t gathered_bytes(const GroupedProblem& p) { return align_bytes(kTaskCols * p.k); }
constexpr size_t kTile = kTaskRows * kTaskCols;
size_t worker_bytes(const GroupedProblem& p) { return gathered_bytes(p) + kTile * (sizeof(int32_t) + sizeof(float)); }

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

size_t grouped_scratch_bytes(const GroupedProblem& p, int threads) {
  return row_sums_bytes(p) + static_cast<size_t>(threads) * worker_bytes(p);
}

void run_grouped(const GroupedProblem& p, const DotKernel& dot, std::byte* scratch, ExecutionContext& ctx) {
  int64_t* const row_sums = reinterpret_cast<int64_t*>(scratch);
  sum_rows(p, row_sums);
  const int64_t tasks = ceil_div(p.n, kTaskCols);
  const int workers = static_cast<int>(std::min<int64_t>(tasks, ctx.num_threads()));
  share_out(ctx, workers, tasks, scratch + row_sums_bytes(p), worker_bytes(p), [&](int64_t t, std::byte* mine) {
    const int64_t col = t * kTaskCols, cols = std::min(kTaskCols, p.n - col);
    int8_t* const b = reinterpret_cast<int8_t*>(mine);
    int32_t* const c = reinterpret_cast<int32_t*>(mine + gathered_bytes(p));
    float* const y = reinterpret_cast<float*>(c + kTile);
    gather_columns(p.b_layout, p.b, p.k, col, cols, b);
    const int64_t step = std::min<int64_t>(kTaskRows, dot.max_m);
    for (int64_t row = 0; row < p.m; row += step) {
      const int64_t rows = std::min(step, p.m - row);
      std::fill_n(y, kTile, 0.0f);
      for (int64_t g = 0; g < p.groups(); ++g) {
        dot.run(rows, cols, p.group, p.a + row * p.k + g * p.group, p.k, b + g * p.group, p.k, c, kTaskCols);
        for (int64_t i = 0; i < rows; ++i)
          add_group(p, g, col, cols, c + i * kTaskCols, row_sums[(row + i) * p.groups() + g], y + i * kTaskCols);
      }
      for (int64_t i = 0; i < rows; ++i) store_row(p, row + i, col, cols, y + i * kTaskCols);
    }
  });
}

}  // namespace a8w8
