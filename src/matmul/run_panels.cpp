// The panel road. A task is one panel of columns against a range of rows; with k cut into blocks, the sums of all these
// rows wait in scratch for the next block.
#include "matmul/run_panels.h"

#include <algorithm>

#include "base/math.h"
#include "matmul/operands.h"
#include "matmul/share_out.h"

namespace a8w8 {
namespace {

// What is prepared and computed at a time: `rows` rows, from `row` on, of `batches` matrices, from `batch` on.
struct Chunk {
  int64_t batch, batches, row, rows;
};

// The rows of a chunk's matrices in panels of nearly equal height, packed or where they lie. What takes a division is
// computed once: a product of 1 x 64 x 64 would spend a fifth of its time in them.
struct RowPanels {
  RowPanels(const Plan& plan, const GemmProblem& p, const Chunk& chunk, std::byte* scratch)
      : plan(plan),
        p(p),
        chunk(chunk),
        count(ceil_div(chunk.rows, plan.a.max_rows)),
        height(chunk.rows / count),
        higher(chunk.rows % count),
        row_bytes(plan.a.bytes_per_row(p.k)),
        packed(scratch + plan.packed_a_at),
        row_init(reinterpret_cast<int32_t*>(scratch + plan.row_init_at)) {}

  int64_t begin(int64_t panel) const { return panel * height + std::min(panel, higher); }
  int64_t size(int64_t panel) const { return height + (panel < higher ? 1 : 0); }
  const int8_t* source(int64_t matrix, int64_t panel) const {
    return operands_of_batch(p, chunk.batch + matrix).a + (chunk.row + begin(panel)) * p.a_row_stride;
  }
  std::byte* panel_at(int64_t matrix, int64_t panel) const {
    return packed + (matrix * chunk.rows + begin(panel)) * row_bytes;
  }
  int32_t* init(int64_t matrix, int64_t panel) const { return row_init + matrix * chunk.rows + begin(panel); }

  // What a gemm kernel reads, from k0 on.
  const void* at(int64_t matrix, int64_t panel, int64_t k0) const {
    if (plan.a_in_place) return source(matrix, panel) + k0;
    return panel_at(matrix, panel) + k0 * plan.a.a_bytes * (plan.a.row_init ? 1 : size(panel));
  }
  int64_t stride() const { return plan.a_in_place ? p.a_row_stride : row_bytes; }

  // A task: prepares panel number t of the chunk.
  void operator()(int64_t t, int64_t /*worker*/) const {
    const int64_t matrix = t / count, panel = t % count, rows = size(panel);
    const int8_t* a = source(matrix, panel);
    if (plan.a_in_place) return plan.a.row_init(a, p.a_row_stride, rows, p.k, init(matrix, panel));
    plan.a.pack(a, p.a_row_stride, p.a_k_stride, rows, p.k, panel_at(matrix, panel), init(matrix, panel));
  }

  Plan plan;
  GemmProblem p;
  Chunk chunk;
  int64_t count, height, higher;  // panels: `higher` of them of height + 1 rows, and then those of `height`
  int64_t row_bytes;
  std::byte* packed;
  int32_t* row_init;
};

void prepare(const RowPanels& panels, std::byte* scratch, ExecutionContext& ctx) {
  // Below some microseconds of work the threads are not worth waking: in cycles, a row in place is 16 and one for each
  // 64 k, and packing writes besides.
  const int64_t rows = panels.chunk.batches * panels.chunk.rows, k = panels.p.k;
  const bool little = panels.plan.a_in_place ? rows * (16 + k / 64) < (1 << 14) : rows * k < (1 << 16);
  const int workers = little ? 1 : panels.plan.workers;
  share_out(ctx, workers, panels.chunk.batches * panels.count, scratch, panels);
}

// One worker.
class PanelRoad {
 public:
  PanelRoad(const RowPanels& panels, const EpilogueDesc& e, std::byte* scratch)
      : panels_(panels),
        e_(e),
        scratch_(scratch),
        col_panels_(ceil_div(problem().n, plan().block_cols)),
        panels_of_split_(ceil_div(panels.count, plan().row_splits)),
        splits_(ceil_div(panels.count, panels_of_split_)),
        b_panel_bytes_(b_panel_bytes(*plan().gemm, problem().k)) {}

  int64_t tasks() const { return panels_.chunk.batches * col_panels_ * splits_; }
  void operator()(int64_t t, int64_t worker) const {
    run_task(task(t), scratch_ + plan().workers_at + static_cast<size_t>(worker) * plan().worker_bytes);
  }

 private:
  struct Task {
    int64_t matrix;                // in the chunk
    int64_t col_panel, col, cols;  // columns
    int64_t begin, end;            // panels of rows
  };

  const Plan& plan() const { return panels_.plan; }
  const GemmProblem& problem() const { return panels_.p; }

  Task task(int64_t t) const {
    Task x;
    x.begin = t % splits_ * panels_of_split_, x.end = std::min(x.begin + panels_of_split_, panels_.count);
    t /= splits_;
    x.col_panel = t % col_panels_, x.matrix = t / col_panels_;
    x.col = x.col_panel * plan().block_cols, x.cols = std::min(plan().block_cols, problem().n - x.col);
    return x;
  }

  void run_task(const Task& x, std::byte* mine) const {
    const GemmKernel& kernel = *plan().gemm;
    const GemmProblem& p = problem();
    if (plan().block_cols > kernel.nr) return run_row_beside(x, mine);
    const int8_t* b = operands_of_batch(p, panels_.chunk.batch + x.matrix).b;
    const Columns from = p.b_panels ? Columns{} : columns_of(plan(), p, b, x.col, x.cols, mine);
    for (int64_t k0 = 0; k0 < p.k; k0 += plan().kc) {
      const int64_t k = std::min(plan().kc, p.k - k0);
      const std::byte* panel = mine;
      if (p.b_panels) {
        panel = p.b_panels + x.col_panel * b_panel_bytes_ + k0 * kernel.nr * kernel.b_bytes;
      } else {
        kernel.pack_b(from.b + k0 * from.k_stride, from.k_stride, from.n_stride, k, x.cols, mine);
      }
      run_block(x, k0, k, panel, mine);
    }
  }

  // The rows of a task against a block of k.
  void run_block(const Task& x, int64_t k0, int64_t k, const std::byte* b, std::byte* mine) const {
    const GemmKernel& kernel = *plan().gemm;
    const bool last = k0 + k == problem().k, one_block = plan().kc == problem().k;
    int32_t* const sums = reinterpret_cast<int32_t*>(mine + plan().sums_at);
    for (int64_t panel = x.begin; panel < x.end; ++panel) {
      const int64_t rows = panels_.size(panel);
      int32_t* c = one_block ? sums : sums + (panels_.begin(panel) - panels_.begin(x.begin)) * kernel.nr;
      kernel.run(rows, k, panels_.at(x.matrix, panel, k0), panels_.stride(), b,
                 k0 == 0 ? panels_.init(x.matrix, panel) : nullptr, c, kernel.nr);
      if (last) {
        plan().epilogue->run(tile_at(e_, problem(), panels_.chunk.batch + x.matrix,
                                     panels_.chunk.row + panels_.begin(panel), rows, x.col, x.cols, c, kernel.nr));
      }
    }
  }

  // One row against kBeside packed panels; at the edge there are fewer.
  void run_row_beside(const Task& x, std::byte* mine) const {
    const GemmKernel& kernel = *plan().gemm;
    const GemmProblem& p = problem();
    int32_t* const c = reinterpret_cast<int32_t*>(mine + plan().sums_at);
    const void* const a = panels_.at(x.matrix, 0, 0);
    const std::byte* b = p.b_panels + x.col / kernel.nr * b_panel_bytes_;
    const int32_t* const init = panels_.init(x.matrix, 0);
    if (x.cols > (kBeside - 1) * kernel.nr) {
      kernel.row_beside(p.k, a, b, b_panel_bytes_, init, c);
    } else {
      for (int64_t j = 0; j < x.cols; j += kernel.nr, b += b_panel_bytes_)
        kernel.run(1, p.k, a, panels_.stride(), b, init, c + j, kernel.nr);
    }
    plan().epilogue->run(
        tile_at(e_, p, panels_.chunk.batch + x.matrix, panels_.chunk.row, 1, x.col, x.cols, c, plan().block_cols));
  }

  RowPanels panels_;
  EpilogueDesc e_;
  std::byte* scratch_;
  int64_t col_panels_, panels_of_split_, splits_, b_panel_bytes_;
};

}  // namespace

void run_panels(const Plan& plan, const GemmProblem& p, const EpilogueDesc& epilogue, std::byte* scratch,
                ExecutionContext& ctx) {
  for (int64_t g = 0; g < plan.batches; g += plan.chunk_batches) {
    for (int64_t row = 0; row < p.m; row += plan.chunk_rows) {
      const Chunk chunk{g, std::min(plan.chunk_batches, plan.batches - g), row, std::min(plan.chunk_rows, p.m - row)};
      const RowPanels panels(plan, p, chunk, scratch);
      prepare(panels, scratch, ctx);
      const PanelRoad road(panels, epilogue, scratch);
      share_out(ctx, plan.workers, road.tasks(), scratch, road);
    }
  }
}

}  // namespace a8w8
