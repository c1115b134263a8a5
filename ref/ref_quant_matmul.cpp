#include "ref/element.h"
#include "ref/reference.h"

namespace a8w8::ref {
namespace {

float scale_bits(uint32_t word) { return std::bit_cast<float>(word & 0xffffe000u); }

int64_t nine_bits(int64_t word) {
  const int64_t o = (word >> 37) & 511;
  return o > 255 ? o - 512 : o;
}

// Scale and offset of one column: unpacked, or a float, which is packed (so truncated) for int8 and float16 without
// pertoken.
struct Column {
  float scale;
  int64_t offset;
};

Column column(const QuantMatmulArgs& args, int64_t j) {
  if (args.scale.dtype == DType::kI64) {
    const int64_t word = get<int64_t>(args.scale, broadcast(args.scale, j));
    return {scale_bits(static_cast<uint32_t>(word)), nine_bits(word)};
  }
  Column c{get_float(args.scale, broadcast(args.scale, j)), 0};
  const bool packed = args.scale.dtype == DType::kF32 && !args.pertoken_scale &&
                      (args.output_dtype == DType::kI8 || args.output_dtype == DType::kF16);
  if (packed) c.scale = scale_bits(std::bit_cast<uint32_t>(c.scale));
  if (packed && args.offset) c.offset = rint_saturate(get<float>(*args.offset, broadcast(*args.offset, j)), -256, 255);
  return c;
}

// Index into an operand whose leading dimensions broadcast against those of `at`; the last two are given.
Dims operand_index(const ConstTensorView& x, const Dims& at, int64_t row, int64_t col) {
  Dims index = x.sizes;
  for (int i = 0; i + 2 < x.rank(); ++i) index[i] = x.sizes[i] == 1 ? 0 : at[i + at.rank() - x.rank()];
  index[-2] = row, index[-1] = col;
  return index;
}

Dims bias_index(const ConstTensorView& bias, const Dims& at) {
  return bias.rank() == 1 ? Dims({at[-1]}) : Dims({at[0], 0, at[-1]});
}

void store(const QuantMatmulArgs& args, const Dims& at, int32_t acc, void* out, int64_t i) {
  if (args.output_dtype == DType::kI32) return void(static_cast<int32_t*>(out)[i] = acc);
  const Column c = column(args, at[-1]);
  float y = static_cast<float>(acc) * c.scale;
  if (args.output_dtype == DType::kI8) {
    const int64_t q = rint_saturate(y, -256, 255) + c.offset;
    static_cast<int8_t*>(out)[i] = static_cast<int8_t>(q < -128 ? -128 : q > 127 ? 127 : q);
    return;
  }
  if (args.pertoken_scale) y = y * get<float>(*args.pertoken_scale, Dims({at[-2]}));
  if (args.bias && args.bias->dtype != DType::kI32) y = y + get_float(*args.bias, bias_index(*args.bias, at));
  static_cast<uint16_t*>(out)[i] = args.output_dtype == DType::kF16 ? to_half(y) : to_bfloat16(y);
}

// Elements of x1 (row, p) and x2 (p, col): int8, or four bits of a word.
int32_t x1_element(const QuantMatmulArgs& args, const Dims& at, int64_t p) {
  if (args.x1.dtype == DType::kI8) return get<int8_t>(args.x1, operand_index(args.x1, at, at[-2], p));
  return get_int4(args.x1, operand_index(args.x1, at, at[-2], p / 8), p % 8);
}

int32_t x2_element(const QuantMatmulArgs& args, const Dims& at, int64_t p) {
  if (args.x2.dtype == DType::kI8) return get<int8_t>(args.x2, operand_index(args.x2, at, p, at[-1]));
  const bool words_along_k = args.x1.sizes[-1] == args.x2.sizes[-2];
  return words_along_k ? get_int4(args.x2, Dims({p / 8, at[-1]}), p % 8)
                       : get_int4(args.x2, Dims({p, at[-1] / 8}), at[-1] % 8);
}

int64_t size_k(const QuantMatmulArgs& args) { return args.x1.sizes[-1] * (args.x1.dtype == DType::kI8 ? 1 : 8); }

// Scales and zero points for each group of k: sums of groups are scaled and added up in group order.
void store_grouped(const QuantMatmulArgs& args, const Dims& at, void* out, int64_t i) {
  const int64_t group = (*args.group_sizes)[2];
  float y = 0;
  for (int64_t g = 0; g < size_k(args) / group; ++g) {
    const int64_t zero = static_cast<int64_t>(get_float(*args.offset, Dims({g, at[-1]})));
    int64_t sum = 0;
    for (int64_t p = g * group; p < (g + 1) * group; ++p)
      sum += x1_element(args, at, p) * (x2_element(args, at, p) - zero);
    y = y + static_cast<float>(sum) * get<float>(args.scale, Dims({g, at[-1]}));
  }
  const ConstTensorView& per_row = *args.pertoken_scale;
  y = y * get<float>(per_row, per_row.rank() == 1 ? Dims({at[-2]}) : Dims({at[-2], 0}));
  static_cast<uint16_t*>(out)[i] = args.output_dtype == DType::kF16 ? to_half(y) : to_bfloat16(y);
}

}  // namespace

void quant_matmul(const QuantMatmulArgs& args, const TensorView& out) {
  const bool grouped = args.group_sizes && (*args.group_sizes)[2] > 1;
  for (int64_t i = 0; i < out.numel(); ++i) {
    Dims at = out.sizes;
    for (int64_t d = out.rank() - 1, rest = i; d >= 0; --d) at[d] = rest % out.sizes[d], rest /= out.sizes[d];
    if (grouped) {
      store_grouped(args, at, out.data, i);
      continue;
    }
    uint32_t acc = 0;  // unsigned: int32 arithmetic that wraps
    for (int64_t p = 0; p < size_k(args); ++p)
      acc += static_cast<uint32_t>(x1_element(args, at, p) * x2_element(args, at, p));
    if (args.bias && args.bias->dtype == DType::kI32) {
      acc += static_cast<uint32_t>(get<int32_t>(*args.bias, bias_index(*args.bias, at)));
    }
    store(args, at, static_cast<int32_t>(acc), out.data, i);
  }
}

}  // namespace a8w8::ref
