// Reading and writing single elements of views, for the reference only.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "a8w8/tensor_view.h"

namespace a8w8::ref {

// Address of element `index` (one number a dimension).
inline const std::byte* address(const ConstTensorView& v, const Dims& index) {
  int64_t offset = 0;
  for (int i = 0; i < v.rank(); ++i) offset += index[i] * v.strides[i];
  return static_cast<const std::byte*>(v.data) + offset * static_cast<int64_t>(dtype_size(v.dtype));
}

template <class T>
T get(const ConstTensorView& v, const Dims& index) {
  T value;
  std::memcpy(&value, address(v, index), sizeof value);
  return value;
}

// A 1-D vector of length 1 stands for all positions.
inline Dims broadcast(const ConstTensorView& v, int64_t i) { return Dims({v.sizes[0] == 1 ? 0 : i}); }

// Nibble j of the word at `index`: four bits, two's complement.
inline int32_t get_int4(const ConstTensorView& words, const Dims& index, int64_t j) {
  const int64_t nibble = (static_cast<int64_t>(get<int32_t>(words, index)) >> (4 * j)) & 15;
  return static_cast<int32_t>(nibble < 8 ? nibble : nibble - 16);
}

// Sets nibble j of a word.
inline void set_int4(int32_t& word, int64_t j, int64_t value) {
  const uint32_t mask = 15u << (4 * j);
  word = static_cast<int32_t>((static_cast<uint32_t>(word) & ~mask) | (static_cast<uint32_t>(value) << (4 * j) & mask));
}

// float16 by its definition: sign, 5 exponent bits of bias 15, 10 mantissa bits.
inline float from_half(uint16_t h) {
  const int exponent = (h >> 10) & 31, mantissa = h & 1023;
  const float sign = h & 0x8000 ? -1.0f : 1.0f;
  if (exponent == 31)
    return mantissa ? std::bit_cast<float>(((h & 0x8000u) << 16) | 0x7fc00000u | (mantissa << 13)) : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -24);
  return sign * std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
}

inline float get_float(const ConstTensorView& v, const Dims& index) {
  switch (v.dtype) {
    case DType::kF16:
      return from_half(get<uint16_t>(v, index));
    case DType::kBF16:
      return std::bit_cast<float>(static_cast<uint32_t>(get<uint16_t>(v, index)) << 16);
    case DType::kI8:
      return get<int8_t>(v, index);
    case DType::kU8:
      return get<uint8_t>(v, index);
    case DType::kI32:
      return static_cast<float>(get<int32_t>(v, index));
    default:
      return get<float>(v, index);
  }
}

// Half to even, clamped; NaN gives 0.
inline int64_t rint_saturate(float x, int64_t lo, int64_t hi) {
  if (std::isnan(x)) return 0;
  const double r = std::rint(static_cast<double>(x));
  return r < static_cast<double>(lo) ? lo : r > static_cast<double>(hi) ? hi : static_cast<int64_t>(r);
}

// To a format of `mantissa_bits` with exponents from `min_exponent` (of the smallest normal number) up to
// `max_exponent`, by arithmetic: scale so that the last bit becomes 1, round half to even, scale back. Everything is
// exact in double.
inline double round_to_format(double x, int mantissa_bits, int min_exponent, int max_exponent) {
  if (x == 0 || !std::isfinite(x)) return x;
  const int exponent = std::max(std::ilogb(x), min_exponent);
  const double rounded = std::ldexp(std::rint(std::ldexp(x, mantissa_bits - exponent)), exponent - mantissa_bits);
  return std::ilogb(rounded) > max_exponent ? std::copysign(INFINITY, x) : rounded;
}

// A NaN keeps its sign and the upper bits of its payload, and becomes quiet.
inline uint16_t to_bfloat16(float x) {
  if (std::isnan(x)) return static_cast<uint16_t>((std::bit_cast<uint32_t>(x) >> 16) | 0x40);
  return static_cast<uint16_t>(std::bit_cast<uint32_t>(static_cast<float>(round_to_format(x, 7, -126, 127))) >> 16);
}

inline uint16_t to_half(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  if (std::isnan(x)) return static_cast<uint16_t>(sign | 0x7e00 | ((bits >> 13) & 0x1ff));
  const double r = std::fabs(round_to_format(x, 10, -14, 15));
  if (std::isinf(r)) return static_cast<uint16_t>(sign | 0x7c00);
  if (r < 0x1p-14) return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::ldexp(r, 24)));
  const int exponent = std::ilogb(r);
  return static_cast<uint16_t>(sign | ((exponent + 15) << 10) |
                               (static_cast<uint16_t>(std::ldexp(r, 10 - exponent)) & 1023));
}

}  // namespace a8w8::ref
