// The driver: the only place that knows batches, blocks and threads at once. Start reading at run, then run_dot, the
// simple road; PanelRoad is the same with packing in between.
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
  if (!plan.gathers) {  // int4 as it lies, for the kernel that reads it
    const int64_t row_bytes = p.b_layout->row_stride * static_cast<int64_t>(sizeof(uint32_t));
    return {b + col * row_bytes, 1, row_bytes};
  }
  int8_t* const rows = reinterpret_cast<int8_t*>(mine + plan.gathered_at);
  gather_columns(*p.b_layout, b, p.k, col, cols, rows);
  return {rows, 1, p.k};
}

// What is packed and computed at a time: `rows` rows, from `row` on, of `batches` matrices, from `batch` on.
struct Chunk {
  int64_t batch, batches, row, rows;
};

// The rows of a chunk's matrix as panels of nearly equal height, and where they are packed.
struct RowPanels {
  RowPanels(const Plan& plan, const GemmProblem& p, const Chunk& chunk, std::byte* scratch)
      : rows(chunk.rows),
        count(ceil_div(chunk.rows, plan.a.max_rows)),
        row_bytes(plan.a.bytes_per_row(p.k)),
        packed(scratch + plan.packed_a_at),
        row_init(reinterpret_cast<int32_t*>(scratch + plan.row_init_at)) {}

  int64_t begin(int64_t panel) const { return panel * rows / count; }
  int64_t size(int64_t panel) const { return begin(panel + 1) - begin(panel); }
  std::byte* at(int64_t matrix, int64_t panel) const { return packed + (matrix * rows + begin(panel)) * row_bytes; }
  int32_t* init(int64_t matrix, int64_t panel) const { return row_init + matrix * rows + begin(panel); }

  int64_t rows, count, row_bytes;
  std::byte* packed;
  int32_t* row_init;
};

void pack_rows_of_a(const Plan& plan, const GemmProblem& p, const Chunk& chunk, const RowPanels& panels,
                    std::byte* scratch, ExecutionContext& ctx) {
  // A panel moves mr * k bytes; below some 64 KiB in all the threads are not worth waking.
  const int workers = chunk.batches * chunk.rows * p.k < (1 << 16) ? 1 : plan.workers;
  share_out(ctx, workers, chunk.batches * panels.count, scratch, [&](int64_t t, int64_t) {
    const int64_t matrix = t / panels.count, panel = t % panels.count;
    const int8_t* a = operands_of_batch(p, chunk.batch + matrix).a + (chunk.row + panels.begin(panel)) * p.a_row_stride;
    plan.a.pack(a, p.a_row_stride, p.a_k_stride, panels.size(panel), p.k, panels.at(matrix, panel),
                panels.init(matrix, panel));
  });
}

void run_dot(const Plan& plan, const GemmProblem& p, const EpilogueDesc& e, const Chunk& chunk, std::byte* scratch,
             ExecutionContext& ctx) {
  const RowPanels panels(plan, p, chunk, scratch);
  const int64_t blocks = ceil_div(p.n, plan.block_cols);
  share_out(ctx, plan.workers, chunk.batches * blocks, scratch, [&](int64_t t, int64_t worker) {
    std::byte* const mine = scratch + plan.workers_at + static_cast<size_t>(worker) * plan.worker_bytes;
    const int64_t matrix = t / blocks, g = chunk.batch + matrix;
    const int64_t col = t % blocks * plan.block_cols, cols = std::min(plan.block_cols, p.n - col);
    int32_t* c = reinterpret_cast<int32_t*>(mine + plan.sums_at);
    const Columns b = columns_of(plan, p, operands_of_batch(p, g).b, col, cols, mine);
    plan.dot->run(p.m, cols, p.k, panels.at(matrix, 0), panels.init(matrix, 0), b.b, b.n_stride, c, cols);
    plan.epilogue->run(tile_at(e, p, g, 0, p.m, col, cols, c, cols));
  });
}

// One task of the panel road.
struct PanelTask {
  int64_t matrix, g;              // in the chunk, in the batch
  int64_t col, cols, begin, end;  // columns; panels of rows
};

class PanelRoad {
 public:
  PanelRoad(const Plan& plan, const GemmProblem& p, const EpilogueDesc& e, const Chunk& chunk, std::byte* scratch)
      : plan_(plan), p_(p), e_(e), chunk_(chunk), scratch_(scratch), panels_(plan, p, chunk, scratch) {}

  void run(ExecutionContext& ctx) const {
    const int64_t tasks = chunk_.batches * col_panels() * splits();
    share_out(ctx, plan_.workers, tasks, scratch_, [&](int64_t t, int64_t worker) {
      run_task(task(t), scratch_ + plan_.workers_at + static_cast<size_t>(worker) * plan_.worker_bytes);
    });
  }

 private:
  int64_t col_panels() const { return ceil_div(p_.n, plan_.block_cols); }
  int64_t panels_of_split() const { return ceil_div(panels_.count, plan_.row_splits); }
  int64_t splits() const { return ceil_div(panels_.count, panels_of_split()); }

  PanelTask task(int64_t t) const {
    PanelTask x;
    x.begin = t % splits() * panels_of_split(), x.end = std::min(x.begin + panels_of_split(), panels_.count);
    t /= splits();
    x.col = t % col_panels() * plan_.block_cols, x.cols = std::min(plan_.block_cols, p_.n - x.col);
    x.matrix = t / col_panels(), x.g = chunk_.batch + x.matrix;
    return x;
  }

  void run_task(const PanelTask& x, std::byte* mine) const {
    const GemmKernel& kernel = *plan_.gemm;
    const bool packed = p_.b_panels != nullptr;
    const Columns from = packed ? Columns{} : columns_of(plan_, p_, operands_of_batch(p_, x.g).b, x.col, x.cols, mine);
    for (int64_t k0 = 0; k0 < p_.k; k0 += plan_.kc) {
      const int64_t k = std::min(plan_.kc, p_.k - k0);
      const std::byte* b = mine;
      if (packed) {
        b = p_.b_panels + x.col / kernel.nr * b_panel_bytes(kernel, p_.k) + k0 * kernel.nr * kernel.b_bytes;
      } else {
        kernel.pack_b(from.b + k0 * from.k_stride, from.k_stride, from.n_stride, k, x.cols, mine);
      }
      run_block(x, k0, k, b, mine);
    }
  }

  // The rows of a task against a block of k.
  void run_block(const PanelTask& x, int64_t k0, int64_t k, const std::byte* b, std::byte* mine) const {
    const GemmKernel& kernel = *plan_.gemm;
    const bool last = k0 + k == p_.k, one_block = plan_.kc == p_.k;
    int32_t* const sums = reinterpret_cast<int32_t*>(mine + plan_.sums_at);
    for (int64_t panel = x.begin; panel < x.end; ++panel) {
      const int64_t rows = panels_.size(panel);
      int32_t* c = one_block ? sums : sums + (panels_.begin(panel) - panels_.begin(x.begin)) * kernel.nr;
      kernel.run(rows, k, panels_.at(x.matrix, panel) + k0 * rows * kernel.a_bytes, b,
                 k0 == 0 ? panels_.init(x.matrix, panel) : nullptr, c, kernel.nr);
      if (last) {
        plan_.epilogue->run(tile_at(e_, p_, x.g, chunk_.row + panels_.begin(panel), rows, x.col, x.cols, c, kernel.nr));
      }
    }
  }

  const Plan& plan_;
  const GemmProblem& p_;
  const EpilogueDesc& e_;
  const Chunk& chunk_;
  std::byte* const scratch_;
  const RowPanels panels_;
};

}  // namespace

void run(const Plan& plan, const GemmProblem& p, const EpilogueDesc& epilogue, std::byte* scratch,
         ExecutionContext& ctx) {
  for (int64_t g = 0; g < plan.batches; g += plan.chunk_batches) {
    for (int64_t row = 0; row < p.m; row += plan.chunk_rows) {
      const Chunk chunk{g, std::min(plan.chunk_batches, plan.batches - g), row, std::min(plan.chunk_rows, p.m - row)};
      pack_rows_of_a(plan, p, chunk, RowPanels(plan, p, chunk, scratch), scratch, ctx);
      if (plan.road == Road::kDot) {
        run_dot(plan, p, epilogue, chunk, scratch, ctx);
      } else {
        PanelRoad(plan, p, epilogue, chunk, scratch).run(ctx);
      }
    }
  }
}

}  // namespace a8w8
