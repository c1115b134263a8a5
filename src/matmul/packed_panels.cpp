#include "matmul/packed_panels.h"

#include <algorithm>
#include <cstring>

#include "base/math.h"
#include "matmul/layout.h"
#include "matmul/share_out.h"
#include "runtime/scratch_layout.h"

namespace a8w8 {
namespace {

// Tasks for all threads, one a panel of columns, each with `bytes` of scratch.
template <class Task>
void for_each_panel(const GemmKernel& kernel, int64_t n, size_t bytes, ExecutionContext& ctx, Task task) {
  const int64_t panels = ceil_div(n, kernel.nr);
  const int workers = static_cast<int>(std::min<int64_t>(panels, ctx.num_threads()));
  ScratchLayout shared;
  shared.add<TaskRange>(workers);
  const size_t ranges = shared.bytes();
  std::byte* const scratch = ctx.scratch(ranges + static_cast<size_t>(workers) * bytes);
  share_out(ctx, workers, panels, scratch, [&](int64_t panel, int64_t worker) {
    const int64_t col = panel * kernel.nr;
    task(panel, col, std::min<int64_t>(kernel.nr, n - col), scratch + ranges + static_cast<size_t>(worker) * bytes);
  });
}

}  // namespace

uint64_t packed_bytes(const GemmKernel& kernel, int64_t n, int64_t k) {
  return sizeof(PackedHeader) + static_cast<uint64_t>(ceil_div(n, kernel.nr) * b_panel_bytes(kernel, k));
}

PackedHeader packed_header(const GemmKernel& kernel, int64_t n, int64_t k, bool int4) {
  PackedHeader h{};
  std::memcpy(h.magic, kPackedMagic, sizeof h.magic);
  h.version = kPackedVersion, h.int4 = int4 ? 1 : 0, h.n = n, h.k = k;
  std::strncpy(h.kernel, kernel.name, sizeof h.kernel - 1);
  h.bytes = packed_bytes(kernel, n, k);
  return h;
}

void pack_panels(const GemmProblem& p, const GemmKernel& kernel, std::byte* panels, ExecutionContext& ctx) {
  ScratchLayout own;
  own.add<int8_t>(p.b_layout ? kernel.nr * p.k : 0);
  for_each_panel(kernel, p.n, own.bytes(), ctx, [&](int64_t panel, int64_t col, int64_t cols, std::byte* mine) {
    std::byte* const to = panels + panel * b_panel_bytes(kernel, p.k);
    if (p.b_layout == nullptr) {
      return kernel.pack_b(p.b + col * p.b_n_stride, p.b_k_stride, p.b_n_stride, p.k, cols, to);
    }
    int8_t* const rows = reinterpret_cast<int8_t*>(mine);
    gather_columns(*p.b_layout, p.b, p.k, col, cols, rows);
    kernel.pack_b(rows, 1, p.k, p.k, cols, to);
  });
}

// The kernel itself is asked, so that no kernel needs a second description of its layout: row i of a with a single one
// at p gives b(p, j) in c(i, j). Blocks of 64 k keep that cheap, as much work as a product of 64 rows.
void unpack_panels(const GemmKernel& kernel, int64_t n, int64_t k, const std::byte* panels, int8_t* out,
                   ExecutionContext& ctx) {
  const int64_t block = round_up(64, kernel.kr), mr = kernel.mr;
  ScratchLayout own;
  own.add<int8_t>(mr * block);
  const size_t units_at = own.add<std::byte>(mr * block * kernel.a_bytes), init_at = own.add<int32_t>(mr);
  const size_t c_at = own.add<int32_t>(mr * kernel.nr);
  for_each_panel(kernel, n, own.bytes(), ctx, [&](int64_t panel, int64_t col, int64_t cols, std::byte* mine) {
    const std::byte* b = panels + panel * b_panel_bytes(kernel, k);
    int8_t* const units = reinterpret_cast<int8_t*>(mine);
    int32_t* const init = reinterpret_cast<int32_t*>(mine + init_at);
    int32_t* const c = reinterpret_cast<int32_t*>(mine + c_at);
    for (int64_t k0 = 0; k0 < k; k0 += block) {
      const int64_t depth = std::min(block, k - k0);
      for (int64_t p = 0; p < depth; p += mr) {
        const int64_t rows = std::min(mr, depth - p);
        std::fill_n(units, rows * depth, int8_t{0});
        for (int64_t i = 0; i < rows; ++i) units[i * depth + p + i] = 1;
        kernel.pack_a(units, depth, 1, rows, depth, mine + units_at, init);
        const int64_t stride = round_up(depth, kernel.kr) * kernel.a_bytes;
        kernel.run(rows, depth, mine + units_at, stride, b + k0 * kernel.nr * kernel.b_bytes, init, c, kernel.nr);
        for (int64_t j = 0; j < cols; ++j) {
          for (int64_t i = 0; i < rows; ++i)
            out[(col + j) * k + k0 + p + i] = static_cast<int8_t>(c[i * kernel.nr + j]);
        }
      }
    }
  });
}

}  // namespace a8w8
