// Random operands for `a8w8 verify`: owned, at addresses that need not be aligned to more than an element, with the
// values that break kernels among the random ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "a8w8/tensor_view.h"

namespace a8w8::cli {

// The same numbers for the same seed, with every compiler and library (the distributions of <random> differ).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();                          // 64 bits (SplitMix64)
  int64_t between(int64_t lo, int64_t hi);  // both included
  bool one_in(int64_t n) { return between(1, n) == 1; }
  float real(float lo, float hi);
  int64_t size(int64_t max);                // small, or beside a multiple of what register tiles are made of
  std::optional<DType> pick(DTypeSet set);  // none where the set allows that

 private:
  uint64_t state_;
};

class Operand {
 public:
  // All zero. `swapped`: the last two dimensions lie the other way round in memory, as those of a weight's transposed
  // view do.
  Operand(DType dtype, const Dims& sizes, Random& random, bool swapped = false);

  ConstTensorView view() const { return {data(), dtype_, sizes_, strides_}; }
  bool swapped() const { return swapped_; }
  int64_t numel() const { return sizes_.numel(); }
  const std::byte* data() const { return bytes_.data() + start_; }
  void set(int64_t i, float value);  // element i in the order of memory, rounded to the dtype

  void fill_uniform(float lo, float hi, Random& random);
  void fill_bytes(Random& random);    // all int8 values, only corners, or one value everywhere
  void fill_scales(Random& random);   // of either sign, now and then 0, subnormal or huge; int64: packed words
  void add_specials(Random& random);  // NaN, infinity, 0 and a subnormal in some places

 private:
  DType dtype_;
  Dims sizes_, strides_;
  bool swapped_;
  size_t start_;
  std::vector<std::byte> bytes_;
};

}  // namespace a8w8::cli
