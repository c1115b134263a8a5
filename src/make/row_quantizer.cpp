#include "make/row_quantizer.h"

#include <bit>
#include <cstddef>

#include "a8w8/half.h"

namespace a8w8::make {
namespace {

// Of each dtype: a word of a row, its value, and a float rounded to it, to nearest even. `round` is only asked for
// finite numbers, and for float16 only for normal ones: quotients below 2^-14 round to 0 as integers either way.
struct F32 {
  using Word = float;
  static uint32_t magnitude(float x) { return std::bit_cast<uint32_t>(x) & 0x7fffffff; }
  static float value(uint32_t magnitude) { return std::bit_cast<float>(magnitude); }
  static float widen(float x) { return x; }
  static float round(float x) { return x; }
};

struct BF16 {
  using Word = int16_t;
  static int16_t magnitude(int16_t x) { return x & 0x7fff; }
  static float value(int16_t magnitude) { return widen(magnitude); }
  static float widen(int16_t x) { return std::bit_cast<float>(static_cast<uint32_t>(static_cast<uint16_t>(x)) << 16); }
  static float round(float x) {
    const uint32_t bits = std::bit_cast<uint32_t>(x);
    return std::bit_cast<float>((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000);
  }
};

struct F16 {
  using Word = int16_t;
  static int16_t magnitude(int16_t x) { return x & 0x7fff; }
  static float value(int16_t magnitude) { return half_to_float(static_cast<uint16_t>(magnitude)); }
  // Exponent and mantissa moved into place, and the exponent corrected by a product, which normalizes subnormals, too.
  static float widen(int16_t x) {
    const uint32_t bits = static_cast<uint16_t>(x);
    const float magnitude = std::bit_cast<float>((bits & 0x7fff) << 13) * 0x1p112f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | ((bits & 0x8000) << 16));
  }
  static float round(float x) {
    const uint32_t bits = std::bit_cast<uint32_t>(x);
    return std::bit_cast<float>((bits + 0xfff + ((bits >> 13) & 1)) & 0xffffe000);
  }
};

// Magnitudes are ordered as the words that hold them.
template <class T>
float largest(const void* row, int64_t k) {
  const auto* words = static_cast<const typename T::Word*>(row);
  auto most = T::magnitude(typename T::Word{});
  for (int64_t i = 0; i < k; ++i) {
    const auto magnitude = T::magnitude(words[i]);
    most = magnitude > most ? magnitude : most;
  }
  return T::value(most);
}

// |w / scale| is below 256: it is at most the divisor, but for the rounding of a scale with few bits. Adding
// 1.5 * 2^23 leaves no room for a fraction, so the sum is rounded to an integer, to nearest even, in the low bits.
template <class T>
void quantize(const void* row, int64_t k, float scale, int32_t least, int8_t* out) {
  constexpr float kShift = 0x1.8p23f;
  const auto* words = static_cast<const typename T::Word*>(row);
  for (int64_t i = 0; i < k; ++i) {
    const float quotient = T::round(T::widen(words[i]) / scale);
    int32_t q = std::bit_cast<int32_t>(quotient + kShift) - std::bit_cast<int32_t>(kShift);
    q = q < least ? least : q;
    q = q > 127 ? 127 : q;
    out[i] = static_cast<int8_t>(q);
  }
}

float rounded(float x, DType dtype) {
  if (dtype == DType::kBF16) return bfloat16_to_float(float_to_bfloat16(x));
  return dtype == DType::kF16 ? half_to_float(float_to_half(x)) : x;
}

}  // namespace

float largest_magnitude(const void* row, DType dtype, int64_t k) noexcept {
  if (dtype == DType::kF32) return largest<F32>(row, k);
  return dtype == DType::kBF16 ? largest<BF16>(row, k) : largest<F16>(row, k);
}

float row_scale(float largest, DType dtype, const RowRecipe& recipe) noexcept {
  const float scale = rounded(largest / recipe.divisor, dtype);
  return scale == 0 ? recipe.empty_scale(dtype) : scale;
}

void quantize_row(const void* row, DType dtype, int64_t k, float scale, int32_t least, int8_t* out) noexcept {
  if (dtype == DType::kF32) return quantize<F32>(row, k, scale, least, out);
  return dtype == DType::kBF16 ? quantize<BF16>(row, k, scale, least, out) : quantize<F16>(row, k, scale, least, out);
}

}  // namespace a8w8::make
