// Small tensors that own their data, and random contents, for tests.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "a8w8/half.h"
#include "a8w8/tensor_view.h"

namespace a8w8::testing {

// Dense storage of `sizes`, seen through any permutation of strides.
class OwnedTensor {
 public:
  OwnedTensor(DType dtype, const Dims& sizes) : dtype_(dtype), sizes_(sizes), strides_(contiguous_strides(sizes)) {
    bytes_.resize(static_cast<size_t>(sizes.numel()) * dtype_size(dtype) + 8);
  }

  // The same logical tensor, its last two dimensions stored the other way round; values move.
  static OwnedTensor transposed_storage(DType dtype, const Dims& sizes) {
    Dims stored = sizes;
    stored[-1] = sizes[-2], stored[-2] = sizes[-1];
    OwnedTensor t(dtype, stored);
    std::swap(t.sizes_[-1], t.sizes_[-2]);
    std::swap(t.strides_[-1], t.strides_[-2]);
    return t;
  }

  TensorView view() { return TensorView(bytes_.data(), dtype_, sizes_, strides_); }
  ConstTensorView view() const { return ConstTensorView(bytes_.data(), dtype_, sizes_, strides_); }
  template <class T>
  T* data() {
    return reinterpret_cast<T*>(bytes_.data());
  }
  int64_t numel() const { return sizes_.numel(); }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  DType dtype_;
  Dims sizes_, strides_;
  std::vector<std::byte> bytes_;
};

using Rng = std::mt19937_64;

inline int64_t uniform_int(Rng& rng, int64_t lo, int64_t hi) {
  return std::uniform_int_distribution<int64_t>(lo, hi)(rng);
}

// Writes element i of `t` (storage order) from a float, rounded to t's dtype.
inline void set_element(OwnedTensor& t, int64_t i, float x) {
  switch (t.view().dtype) {
    case DType::kI8:
      t.data<int8_t>()[i] = static_cast<int8_t>(x);
      break;
    case DType::kU8:
      t.data<uint8_t>()[i] = static_cast<uint8_t>(x);
      break;
    case DType::kI32:
      t.data<int32_t>()[i] = static_cast<int32_t>(x);
      break;
    case DType::kI64:
      t.data<int64_t>()[i] = static_cast<int64_t>(x);
      break;
    case DType::kF16:
      t.data<uint16_t>()[i] = float_to_half(x);
      break;
    case DType::kBF16:
      t.data<uint16_t>()[i] = float_to_bfloat16(x);
      break;
    default:
      t.data<float>()[i] = x;
      break;
  }
}

inline void fill_uniform(OwnedTensor& t, Rng& rng, float lo, float hi) {
  std::uniform_real_distribution<float> values(lo, hi);
  for (int64_t i = 0; i < t.numel(); ++i) set_element(t, i, values(rng));
}

inline void fill_int8(OwnedTensor& t, Rng& rng) {
  for (int64_t i = 0; i < t.numel(); ++i) t.data<int8_t>()[i] = static_cast<int8_t>(uniform_int(rng, -128, 127));
}

}  // namespace a8w8::testing
