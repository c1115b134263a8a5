// 16-bit floats by arithmetic in double, which holds every value in question exactly: independent of the bit
// manipulation in src/base/half.cpp and of the conversion instructions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "a8w8/dtype.h"

namespace a8w8::test {

struct FloatFormat {
  int mantissa_bits, min_exponent, bias;
};

inline FloatFormat float_format(DType t) {
  return t == DType::kF16 ? FloatFormat{10, -14, 15} : FloatFormat{7, -126, 127};
}

// float16 or bfloat16 to float32.
inline float widen(uint16_t bits, DType t) {
  const FloatFormat f = float_format(t);
  const int mantissa = bits & ((1 << f.mantissa_bits) - 1), exponent = (bits & 0x7fff) >> f.mantissa_bits;
  const double sign = bits & 0x8000 ? -1.0 : 1.0;
  if (exponent == 2 * f.bias + 1) {
    return mantissa ? std::numeric_limits<float>::quiet_NaN()
                    : static_cast<float>(sign) * std::numeric_limits<float>::infinity();
  }
  const double significand = exponent ? mantissa + (1 << f.mantissa_bits) : mantissa;
  return static_cast<float>(sign *
                            std::ldexp(significand, std::max(exponent - f.bias, f.min_exponent) - f.mantissa_bits));
}

// A float32 that is no NaN to float16 or bfloat16, to nearest even.
inline uint16_t narrow(float x, DType t) {
  const FloatFormat f = float_format(t);
  const uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  const uint16_t infinity = static_cast<uint16_t>((2 * f.bias + 1) << f.mantissa_bits);
  const double magnitude = std::fabs(static_cast<double>(x));
  if (std::isinf(magnitude)) return sign | infinity;
  const int exponent = magnitude == 0 ? f.min_exponent : std::max(std::ilogb(magnitude), f.min_exponent);
  // The words of one exponent count in units of the last place; a carry into the next exponent counts on.
  const double units = std::nearbyint(std::ldexp(magnitude, f.mantissa_bits - exponent));
  const int word = ((exponent - f.min_exponent) << f.mantissa_bits) + static_cast<int>(units);
  return sign | static_cast<uint16_t>(std::min<int>(word, infinity));
}

inline bool is_quiet_nan(uint16_t bits, DType t) {
  const uint16_t quiet_infinity =
      static_cast<uint16_t>((4 * float_format(t).bias + 3) << (float_format(t).mantissa_bits - 1));
  return (bits & quiet_infinity) == quiet_infinity;
}

inline uint32_t float_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

// rint, clamp; NaN gives 0.
inline int32_t rint_clamp(float x, double lo, double hi) {
  return std::isnan(x) ? 0 : static_cast<int32_t>(std::clamp(std::nearbyint(static_cast<double>(x)), lo, hi));
}

}  // namespace a8w8::test
