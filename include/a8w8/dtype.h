// Element types, and sets of them. Enums and constants only, so that every layer, the per-ISA kernel files
// included, may include this header.
#pragma once

#include <cstddef>
#include <cstdint>

namespace a8w8 {

// The last three only pass through files; no operation takes them.
enum class DType : uint8_t { kI8, kU8, kI32, kI64, kF16, kBF16, kF32, kBool, kI16, kF64 };

inline constexpr int kDTypeCount = 10;

// Bytes of one element.
constexpr size_t dtype_size(DType t) {
  constexpr size_t kSizes[kDTypeCount] = {1, 1, 4, 8, 2, 2, 4, 1, 2, 8};
  return kSizes[static_cast<int>(t)];
}

// int4 has no dtype of its own: eight lie in an int32 word (format.h).
inline constexpr int64_t kInt4PerWord = 8;

// "int8", "bfloat16", ...: the names PyTorch and numpy use.
constexpr const char* dtype_name(DType t) {
  constexpr const char* kNames[kDTypeCount] = {"int8",     "uint8",   "int32", "int64", "float16",
                                               "bfloat16", "float32", "bool",  "int16", "float64"};
  return kNames[static_cast<int>(t)];
}

constexpr bool is_floating(DType t) { return t == DType::kF16 || t == DType::kBF16 || t == DType::kF32; }

// What one operand may be: any of some dtypes, or absent. The cells of the tables in src/spec are of this type.
struct DTypeSet {
  uint16_t bits = 0;

  static constexpr uint16_t kAbsentBit = 1u << kDTypeCount;

  constexpr DTypeSet() = default;
  constexpr DTypeSet(DType t) : bits(static_cast<uint16_t>(1u << static_cast<int>(t))) {}
  static constexpr DTypeSet absent() {
    DTypeSet s;
    s.bits = kAbsentBit;
    return s;
  }
  static constexpr DTypeSet without_absent(DTypeSet s) {
    s.bits = static_cast<uint16_t>(s.bits & ~kAbsentBit);
    return s;
  }
  constexpr bool contains(DType t) const { return (bits >> static_cast<int>(t)) & 1u; }
  constexpr bool contains(DTypeSet s) const { return (bits & s.bits) == s.bits; }
  constexpr bool allows_absent() const { return bits & kAbsentBit; }
  constexpr bool empty() const { return bits == 0; }
  friend constexpr DTypeSet operator|(DTypeSet a, DTypeSet b) {
    DTypeSet s;
    s.bits = static_cast<uint16_t>(a.bits | b.bits);
    return s;
  }
  friend constexpr bool operator==(DTypeSet a, DTypeSet b) { return a.bits == b.bits; }
};

constexpr DTypeSet operator|(DType a, DType b) { return DTypeSet(a) | DTypeSet(b); }

}  // namespace a8w8
