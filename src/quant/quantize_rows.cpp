#include "quant/quantize_rows.h"

#include <algorithm>

#include "base/math.h"
#include "format/int4.h"
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

void pack_row(const QuantizedRows& out, int64_t row, int64_t length) {
  if (out.words == nullptr) return;
  const int64_t words = length / kInt4PerWord;
  pack_int4_words(out.values + row * length, words, out.words + row * words);
}

// The factors of a row, or null.
const float* smooth_of_row(const SmoothScales& smooth, int64_t row, int64_t length) {
  if (smooth.group_end == nullptr) return smooth.values;
  const int32_t* const end = smooth.group_end + smooth.groups;
  const int64_t group = std::upper_bound(smooth.group_end, end, row) - smooth.group_end;
  return smooth.values + group * length;
}

}  // namespace

int64_t index_along(const Dims& sizes, int axis, int64_t row) {
  for (int i = sizes.rank() - 2; i > axis; --i) row /= sizes[i];
  return row % sizes[axis];
}

void quantize_rows(const ConstTensorView& x, const StaticScales& scales, const QuantizedRows& out,
                   ExecutionContext& ctx) {
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
    if (out.words) row.lo = kInt4Min, row.hi = kInt4Max;
    row.out = out.values + r * length;
    run(row);
    pack_row(out, r, length);
  });
}

void dynamic_quant_rows(const ConstTensorView& x, const SmoothScales& smooth, const QuantizedRows& out, float* scale,
                        ExecutionContext& ctx) {
  const int64_t length = x.sizes[-1];
  if (x.numel() == 0) return;
  DynamicQuantRowFn* const run = select_quantize(ctx.isas()).dynamic_quant_row;
  for_rows(x, ctx, [&](int64_t r) {
    DynamicQuantRow row{row_pointer(x, r), x.dtype, length, smooth_of_row(smooth, r, length)};
    if (out.words) row.max = kInt4Max;
    row.out = out.values + r * length;
    scale[r] = run(row);
    pack_row(out, r, length);
  });
}

}  // namespace a8w8
