// quantize and dynamic_quant: check, bring scales to float32, hand the rows to the kernels.
#include <cmath>

#include "a8w8/context.h"
#include "a8w8/quantize.h"
#include "quant/quantize_rows.h"
#include "quant/saturate.h"
#include "runtime/scratch_layout.h"
#include "spec/quantize_rules.h"
#include "spec/rules.h"
#include "tensor/read.h"

namespace a8w8 {
namespace {

// uint8 and int32 results are rare: no kernels, one element after the other.
template <class Int>
void quantize_elements(const ConstTensorView& x, const StaticScales& s, Int lo, Int hi, Int* out, float* row) {
  const int64_t length = x.sizes[-1];
  for (int64_t r = 0; r < row_count(x) && length > 0; ++r) {
    const int64_t at = s.by_row ? index_along(x.sizes, s.axis, r) : 0;
    read_floats(ConstTensorView(row_pointer(x, r), x.dtype, Dims({length})), row);
    for (int64_t j = 0; j < length; ++j) {
      const int64_t i = s.per_element ? j : at;
      float y = s.divide ? row[j] / s.scale[i] : row[j] * s.scale[i];
      if (s.zero_point) y = y + s.zero_point[i];
      out[r * length + j] = saturate_rint<Int>(y, lo, hi);
    }
  }
}

// Fills all `count` values at `to` from a view of `count` elements or of one.
void read_expanded(const ConstTensorView& view, int64_t count, float* to) {
  read_floats(view, to);
  if (view.numel() == 1) std::fill(to + 1, to + count, to[0]);
}

// Rows that are not contiguous are copied first.
int64_t dense_copy_bytes(const ConstTensorView& x) {
  return has_dense_rows(x) ? 0 : x.numel() * static_cast<int64_t>(dtype_size(x.dtype));
}
ConstTensorView with_dense_rows(const ConstTensorView& x, std::byte* to) {
  return has_dense_rows(x) ? x : copy_dense(x, to);
}

// int8 goes straight to `out`; int4 by way of `values`, one byte each.
QuantizedRows output_rows(const TensorView& out, bool int4, std::byte* values) {
  if (!int4) return {static_cast<int8_t*>(out.data)};
  return {reinterpret_cast<int8_t*>(values), static_cast<uint32_t*>(out.data)};
}

}  // namespace

void quantize(const QuantizeArgs& args, const TensorView& out, ExecutionContext& ctx, Product product) {
  TensorDesc desc;
  throw_if_error(check_quantize(args, product, desc));
  throw_if_error(check_output("npu_quantize", "out", out, desc));
  throw_if_error(
      check_readable("npu_quantize", {{"x", args.x}, {"scales", args.scales}, {"zero_points", args.zero_points}}));
  if (args.x.numel() == 0) return;

  const int axis = quantize_axis(args);
  const int64_t length = args.x.sizes[-1];
  const bool one_scale = args.scales.numel() == 1 && (!args.zero_points || args.zero_points->numel() == 1);
  const int64_t scale_count = one_scale ? 1 : args.x.sizes[axis];

  ScratchLayout layout;
  const size_t scale_at = layout.add<float>(scale_count), zero_at = layout.add<float>(scale_count);
  const size_t row_at = layout.add<float>(length), values_at = layout.add<int8_t>(args.int4 ? args.x.numel() : 0);
  const size_t copy_at = layout.add<std::byte>(dense_copy_bytes(args.x));
  std::byte* const base = ctx.scratch(layout.bytes());
  float* const scale = ScratchLayout::at<float>(base, scale_at);
  float* const zero_point = ScratchLayout::at<float>(base, zero_at);
  read_expanded(args.scales, scale_count, scale);
  if (args.zero_points) read_expanded(*args.zero_points, scale_count, zero_point);

  const ConstTensorView x = with_dense_rows(args.x, base + copy_at);
  StaticScales scales;
  scales.scale = scale, scales.zero_point = args.zero_points ? zero_point : nullptr;
  scales.per_element = !one_scale && axis == x.rank() - 1;
  scales.by_row = !one_scale && axis != x.rank() - 1;
  scales.axis = axis, scales.divide = args.div_mode;
  float* const row = ScratchLayout::at<float>(base, row_at);
  switch (desc.dtype) {
    case DType::kU8:
      return quantize_elements<uint8_t>(x, scales, 0, 255, static_cast<uint8_t*>(out.data), row);
    case DType::kI32:
      if (args.int4) break;
      return quantize_elements<int32_t>(x, scales, INT32_MIN, INT32_MAX, static_cast<int32_t*>(out.data), row);
    default:
      break;
  }
  quantize_rows(x, scales, output_rows(out, args.int4, base + values_at), ctx);
}

void dynamic_quant(const DynamicQuantArgs& args, const TensorView& y, const TensorView& scale, ExecutionContext& ctx) {
  DynamicQuantDesc desc;
  throw_if_error(check_dynamic_quant(args, desc));
  throw_if_error(check_output("npu_dynamic_quant", "y", y, desc.y));
  throw_if_error(check_output("npu_dynamic_quant", "scale", scale, desc.scale));
  throw_if_error(
      check_readable("npu_dynamic_quant",
                     {{"input", args.x}, {"smooth_scales", args.smooth_scales}, {"group_index", args.group_index}}));

  const int64_t groups = args.group_index ? args.group_index->numel() : 0;
  ScratchLayout layout;
  const size_t smooth_at = layout.add<float>(args.smooth_scales ? args.smooth_scales->numel() : 0);
  const size_t groups_at = layout.add<int32_t>(groups);
  const size_t values_at = layout.add<int8_t>(args.int4 ? args.x.numel() : 0);
  const size_t copy_at = layout.add<std::byte>(dense_copy_bytes(args.x));
  std::byte* const base = ctx.scratch(layout.bytes());

  SmoothScales smooth;
  if (args.smooth_scales) {
    float* const values = ScratchLayout::at<float>(base, smooth_at);
    read_floats(*args.smooth_scales, values);
    smooth.values = values;
  }
  if (args.group_index) {
    int32_t* const group_end = ScratchLayout::at<int32_t>(base, groups_at);
    read_ints(*args.group_index, group_end);
    throw_if_error(check_group_index(group_end, groups, row_count(args.x)));
    smooth.group_end = group_end, smooth.groups = groups;
  }
  const ConstTensorView x = with_dense_rows(args.x, base + copy_at);
  dynamic_quant_rows(x, smooth, output_rows(y, args.int4, base + values_at), static_cast<float*>(scale.data), ctx);
}

}  // namespace a8w8
