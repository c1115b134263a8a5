// The driver: the only place that knows batches, blocks and threads at once. Start reading at run_dot, the simple road;
// run_panels is the same with packing in between.
#include "matmul/run.h"

#include <algorithm>

#include "base/math.h"
#include "matmul/layout.h"
#include "matmul/share_out.h"

namespace a8w8 {
namespace {

struct Matrices {
  const int8_t* a;
  const int8_t* b;
};

// Where batch number `index` (row-major) has its operands.
Matrices operands_of_batch(const GemmProblem& p, int64_t index) {
  Matrices at{p.a, p.b};
  for (int i = p.batch_rank - 1; i >= 0; --i) {
    const int64_t position = index % p.batch[i].size;
    index /= p.batch[i].size;
    at.a += position * p.batch[i].a_stride;
    at.b += position * p.batch[i].b_stride;
  }
  return at;
}

// The rectangle of the result at (row, col) of a batch, whose sums are at c.
EpilogueTile tile_at(const EpilogueDesc& e, const GemmProblem& p, int64_t batch, int64_t row, int64_t rows, int64_t col,
                     int64_t cols, const int32_t* c, int64_t ldc) {
  const auto from = [&](auto* array, int64_t at) { return array ? array + at : nullptr; };
  EpilogueTile t;
  t.rows = rows, t.cols = cols;
  t.c = c, t.ldc = ldc;
  t.bias_i32 = from(e.bias_i32, batch * e.bias_batch_stride + col);
  t.bias_f32 = from(e.bias_f32, batch * e.bias_batch_stride + col);
  t.scale = from(e.scale, col);
  t.offset = from(e.offset, col);
  t.row_scale = from(e.row_scale, row);
  t.out_dtype = e.out_dtype;
  t.out = static_cast<std::byte*>(e.out) +
          ((batch * p.m + row) * p.n + col) * static_cast<int64_t>(dtype_size(e.out_dtype));
  t.ldo = p.n;
  return t;
}

// Columns of b as a kernel reads them: where they lie, or gathered into a worker's scratch.
struct Columns {
  const int8_t* b;
  int64_t k_stride, n_stride;
};

Columns columns_of(const Plan& plan, const GemmProblem& p, const int8_t* b, int64_t col, int64_t cols,
                   std::byte* mine) {
  if (p.b_layout == nullptr) return {b + col * p.b_n_stride, p.b_k_stride, p.b_n_stride};
  int8_t* const rows = reinterpret_cast<int8_t*>(mine + plan.gathered_at);
  gather_columns(*p.b_layout, b, p.k, col, cols, rows);
  return {rows, 1, p.k};
}

void copy_rows_of_a(const GemmProblem& p, int64_t batches, int8_t* to) {
  for (int64_t g = 0; g < batches; ++g) {
    const int8_t* a = operands_of_batch(p, g).a;
    for (int64_t i = 0; i < p.m; ++i) {
      for (int64_t q = 0; q < p.k; ++q) *to++ = a[i * p.a_row_stride + q * p.a_k_stride];
    }
  }
}

void run_dot(const Plan& plan, const GemmProblem& p, const EpilogueDesc& e, std::byte* scratch, ExecutionContext& ctx) {
  int8_t* const copy = reinterpret_cast<int8_t*>(scratch);
  if (plan.copy_a) copy_rows_of_a(p, plan.batches, copy);
  const int64_t lda = plan.copy_a ? p.k : p.a_row_stride;
  const int64_t blocks = ceil_div(p.n, plan.block_cols);

  const auto task = [&](int64_t t, std::byte* mine) {
    const int64_t g = t / blocks, col = t % blocks * plan.block_cols, cols = std::min(plan.block_cols, p.n - col);
    const Matrices at = operands_of_batch(p, g);
    const int8_t* a = plan.copy_a ? copy + g * p.m * p.k : at.a;
    int32_t* c = reinterpret_cast<int32_t*>(mine);
    const Columns b = columns_of(plan, p, at.b, col, cols, mine);
    for (int64_t i = 0; i < p.m; i += plan.dot->max_m) {
      const int64_t rows = std::min<int64_t>(plan.dot->max_m, p.m - i);
      plan.dot->run(rows, cols, p.k, a + i * lda, lda, b.b, b.n_stride, c + i * cols, cols);
    }
    plan.epilogue->run(tile_at(e, p, g, 0, p.m, col, cols, c, cols));
  };
  share_out(ctx, plan.workers, plan.batches * blocks, scratch + plan.shared_bytes, plan.worker_bytes, task);
}

// Packs rows first .. first + rows - 1 of one batch, panel after panel.
void pack_rows_of_a(const Plan& plan, const GemmProblem& p, const int8_t* a, int64_t first, int64_t rows, std::byte* to,
                    ExecutionContext& ctx) {
  const GemmKernel& kernel = *plan.gemm;
  const PackedA layout = packed_a(kernel, p.k);
  const int64_t panels = ceil_div(rows, kernel.mr);
  // A panel moves mr * k bytes; below some 64 KiB in all the threads are not worth waking.
  const int workers = rows * p.k < (1 << 16) ? 1 : plan.workers;
  share_out(ctx, workers, panels, nullptr, 0, [&](int64_t panel, std::byte*) {
    const int64_t row = panel * kernel.mr;
    std::byte* at = to + static_cast<size_t>(panel) * layout.bytes;
    kernel.pack_a(a + (first + row) * p.a_row_stride, p.a_row_stride, p.a_k_stride,
                  std::min<int64_t>(kernel.mr, rows - row), p.k, at,
                  reinterpret_cast<int32_t*>(at + layout.row_init_at));
  });
}

// One chunk of packed rows against all columns.
void run_chunk(const Plan& plan, const GemmProblem& p, const EpilogueDesc& e, int64_t g, int64_t first, int64_t rows,
               std::byte* scratch, ExecutionContext& ctx) {
  const GemmKernel& kernel = *plan.gemm;
  const int8_t* b = operands_of_batch(p, g).b;
  const PackedA layout = packed_a(kernel, p.k);
  const int64_t row_panels = ceil_div(rows, kernel.mr), col_panels = ceil_div(p.n, kernel.nr);
  const int64_t split_panels = ceil_div(row_panels, plan.row_splits);
  const int64_t splits = ceil_div(row_panels, split_panels);

  const auto task = [&](int64_t t, std::byte* mine) {
    const int64_t col = t / splits * kernel.nr, cols = std::min<int64_t>(kernel.nr, p.n - col);
    const int64_t begin = t % splits * split_panels, end = std::min(begin + split_panels, row_panels);
    std::byte* b_panel = mine;
    int32_t* c = reinterpret_cast<int32_t*>(mine + packed_b_bytes(kernel, p.k));
    const Columns from = columns_of(plan, p, b, col, cols, mine);
    kernel.pack_b(from.b, from.k_stride, from.n_stride, p.k, cols, b_panel);
    for (int64_t panel = begin; panel < end; ++panel) {
      const std::byte* a_panel = scratch + static_cast<size_t>(panel) * layout.bytes;
      kernel.run(p.k, a_panel, b_panel, reinterpret_cast<const int32_t*>(a_panel + layout.row_init_at), c, kernel.nr);
      const int64_t row = panel * kernel.mr;
      plan.epilogue->run(
          tile_at(e, p, g, first + row, std::min<int64_t>(kernel.mr, rows - row), col, cols, c, kernel.nr));
    }
  };
  share_out(ctx, plan.workers, col_panels * splits, scratch + plan.shared_bytes, plan.worker_bytes, task);
}

void run_panels(const Plan& plan, const GemmProblem& p, const EpilogueDesc& e, std::byte* scratch,
                ExecutionContext& ctx) {
  for (int64_t g = 0; g < plan.batches; ++g) {
    for (int64_t first = 0; first < p.m; first += plan.chunk_rows) {
      const int64_t rows = std::min(plan.chunk_rows, p.m - first);
      pack_rows_of_a(plan, p, operands_of_batch(p, g).a, first, rows, scratch, ctx);
      run_chunk(plan, p, e, g, first, rows, scratch, ctx);
    }
  }
}

}  // namespace

void run(const Plan& plan, const GemmProblem& problem, const EpilogueDesc& epilogue, std::byte* scratch,
         ExecutionContext& ctx) {
  plan.road == Road::kDot ? run_dot(plan, problem, epilogue, scratch, ctx)
                          : run_panels(plan, problem, epilogue, scratch, ctx);
}

}  // namespace a8w8
