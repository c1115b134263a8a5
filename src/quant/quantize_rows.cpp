#include "quant/quantize_rows.h"

#include <algorithm>

#include "base/math.h"
#include "kernels/registry.h"
#include "tensor/read.h"

namespace a8w8 {
namespace {

// Elements a thread gets at least: quantizing this many takes some microseconds, as long as waking it.
constexpr int64_t kMinTaskElements = 1 << 14;

template <class Row>
void for_rows(const ConstTensorView& x, ExecutionContext& ctx, Row row) {
  const int64_t rows = row_count(x);
  const int64_t tasks =
      std::clamp<int64_t>(x.numel() / kMinTaskElements, 1, std::min<int64_t>(ctx.num_threads(), rows));
  const int64_t rows_per_task = ceil_div(rows, tasks);
  ctx.parallel_for(tasks, [&](int64_t t) {
    const int64_t end = std::min(rows, (t + 1) * rows_per_task);
    for (int64_t r = t * rows_per_task; r < end; ++r) row(r);
  });
}

}  // namespace

int64_t index_along(const Dims& sizes, int axis, int64_t row) {
  for (int i = sizes.rank() - 2; i > axis; --i) row /= sizes[i];
  return row % sizes[axis];
}

void quantize_rows(const ConstTensorView& x, const StaticScales& scales, int8_t* out, ExecutionContext& ctx) {
  const int64_t length = x.sizes[-1];
  if (x.numel() == 0) return;
  QuantizeRowFn* const run = select_quantize(ctx.isas()).quantize_row;
  for_rows(x, ctx, [&](int64_t r) {
    const int64_t at = scales.by_row ? index_along(x.sizes, scales.axis, r) : 0;
    QuantizeRow row;
    row.x = row_pointer(x, r), row.x_dtype = x.dtype, row.n = length;
    row.scale = scales.scale + at;
    row.zero_point = scales.zero_point ? scales.zero_point + at : nullptr;
    row.per_element = scales.per_element, row.divide = scales.divide;
    row.out = out + r * length;
    run(row);
  });
}

void dynamic_quant_rows(const ConstTensorView& x, const float* smooth, int8_t* y, float* scale, ExecutionContext& ctx) {
  const int64_t length = x.sizes[-1];
  if (x.numel() == 0) return;
  DynamicQuantRowFn* const run = select_quantize(ctx.isas()).dynamic_quant_row;
  for_rows(x, ctx, [&](int64_t r) { scale[r] = run({row_pointer(x, r), x.dtype, length, smooth, y + r * length}); });
}

}  // namespace a8w8
