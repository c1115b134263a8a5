#include "ref/element.h"
#include "ref/reference.h"

namespace a8w8::ref {
namespace {

Dims unravel(int64_t i, const Dims& sizes) {
  Dims at = sizes;
  for (int d = sizes.rank() - 1; d >= 0; --d) at[d] = i % sizes[d], i /= sizes[d];
  return at;
}

uint32_t reduce_scale(float scale, int64_t round_mode) {
  const uint32_t u = std::bit_cast<uint32_t>(scale);
  if (round_mode == 0 || !std::isfinite(scale)) return u & 0xffffe000u;
  if (!std::isnormal(scale)) return u & 0x80000000u;
  // Ten mantissa bits; beyond the largest exponent the rounding gives infinity.
  return std::bit_cast<uint32_t>(static_cast<float>(round_to_format(scale, 10, -126, 127)));
}

// scales and zero_points of npu_quantize: a 1-D vector along `axis`, or as many dimensions as x.
float along(const ConstTensorView& v, const Dims& at, int axis) {
  const int64_t i = v.numel() == 1 ? 0 : at[axis];
  if (v.rank() == 1) return get_float(v, Dims({i}));
  Dims index = at;
  for (int d = 0; d < index.rank(); ++d) index[d] = d == axis ? i : 0;
  return get_float(v, index);
}

void store(DType dtype, float y, void* out, int64_t i) {
  switch (dtype) {
    case DType::kU8:
      static_cast<uint8_t*>(out)[i] = static_cast<uint8_t>(rint_saturate(y, 0, 255));
      break;
    case DType::kI32:
      static_cast<int32_t*>(out)[i] = static_cast<int32_t>(rint_saturate(y, INT32_MIN, INT32_MAX));
      break;
    default:
      static_cast<int8_t*>(out)[i] = static_cast<int8_t>(rint_saturate(y, -128, 127));
      break;
  }
}

}  // namespace

void trans_quant_param(const TransQuantParamArgs& args, const TensorView& out) {
  for (int64_t i = 0; i < out.numel(); ++i) {
    const Dims at = unravel(i, out.sizes);
    const auto value = [&](const ConstTensorView& v) {
      return get<float>(v, v.rank() == 1 ? broadcast(v, at[-1]) : at);
    };
    const int64_t o = args.offset ? rint_saturate(value(*args.offset), -256, 255) : 0;
    const uint64_t word =
        reduce_scale(value(args.scale), args.round_mode) | (static_cast<uint64_t>(o) & 511) << 37 | 1ull << 46;
    static_cast<int64_t*>(out.data)[i] = static_cast<int64_t>(word);
  }
}

void quantize(const QuantizeArgs& args, const TensorView& out) {
  const int rank = args.x.rank();
  const int last = rank - 1;
  const int axis = args.div_mode ? static_cast<int>((args.axis + rank) % rank) : args.axis == -2 ? rank - 2 : last;
  for (int64_t i = 0; i < args.x.numel(); ++i) {
    const Dims at = unravel(i, args.x.sizes);
    const float x = get_float(args.x, at), s = along(args.scales, at, axis);
    float y = args.div_mode ? x / s : x * s;
    if (args.zero_points) y = y + along(*args.zero_points, at, axis);
    if (args.int4) {
      set_int4(static_cast<int32_t*>(out.data)[i / 8], i % 8, rint_saturate(y, -8, 7));
    } else {
      store(args.dtype, y, out.data, i);
    }
  }
}

namespace {

// smooth_scales[j], or with groups the element of the first group that ends after `row`.
float smooth_scale(const DynamicQuantArgs& args, int64_t row, int64_t j) {
  if (!args.group_index) return get_float(*args.smooth_scales, Dims({j}));
  int64_t e = 0;
  while (get<int32_t>(*args.group_index, Dims({e})) <= row) ++e;
  return get_float(*args.smooth_scales, Dims({e, j}));
}

}  // namespace

void dynamic_quant(const DynamicQuantArgs& args, const TensorView& y, const TensorView& scale) {
  const int64_t h = args.x.sizes[-1];
  const int64_t top = args.int4 ? 7 : 127;
  for (int64_t row = 0; row < scale.numel(); ++row) {
    const auto value = [&](int64_t j) {
      const float x = get_float(args.x, unravel(row * h + j, args.x.sizes));
      return args.smooth_scales ? x * smooth_scale(args, row, j) : x;
    };
    float largest = 0;
    for (int64_t j = 0; j < h; ++j) {
      const float v = std::fabs(value(j));
      if (v > largest || std::isnan(v)) largest = v;
      if (std::isnan(v)) break;
    }
    const float s = largest / static_cast<float>(top);
    static_cast<float*>(scale.data)[row] = s;
    for (int64_t j = 0; j < h; ++j) {
      const int64_t q = rint_saturate(value(j) / s, -top - 1, top), i = row * h + j;
      if (args.int4) {
        set_int4(static_cast<int32_t*>(y.data)[i / 8], i % 8, q);
      } else {
        static_cast<int8_t*>(y.data)[i] = static_cast<int8_t>(q);
      }
    }
  }
}

}  // namespace a8w8::ref
