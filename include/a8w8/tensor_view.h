// Non-owning views of tensors: pointer, dtype, sizes and strides. Strides count elements and may be anything: a
// transposed weight is a view with its last two sizes and strides exchanged, a broadcast dimension has stride 0.
// Bytes in another order than strides can say have a format (format.h); sizes and strides are then those of the logical
// tensor.
//
//   std::vector<int8_t> w(n * k);
//   ConstTensorView weight(w.data(), DType::kI8, {n, k});   // row-major
//   ConstTensorView x2 = weight.transposed();               // (k, n), the same bytes
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "a8w8/dtype.h"

namespace a8w8 {

inline constexpr int kMaxRank = 8;

// Up to kMaxRank numbers, one a dimension: sizes or strides. More than kMaxRank throws Error(kInvalidArgument).
class Dims {
 public:
  Dims() {}
  // Only the numbers there are, one by one: views are copied right after they were made, and processors forward a store
  // to a load of the same size, but let a wider one wait. That is 100 ns of a call whose operands are made for it.
  Dims(const Dims& o) noexcept { *this = o; }
  Dims& operator=(const Dims& o) noexcept {
    rank_ = o.rank_;
    for (int i = 0; i < rank_; ++i) values_[i] = o.values_[i];
    return *this;
  }
  Dims(std::initializer_list<int64_t> values) : Dims(values.begin(), static_cast<int64_t>(values.size())) {}
  Dims(const int64_t* values, int64_t count) : rank_(count <= kMaxRank ? static_cast<int>(count) : refuse(count)) {
    for (int i = 0; i < rank_; ++i) values_[i] = values[i];
  }

  int rank() const { return rank_; }
  int64_t operator[](int i) const { return values_[i < 0 ? i + rank_ : i]; }  // -1 is the last
  int64_t& operator[](int i) { return values_[i < 0 ? i + rank_ : i]; }
  void push_back(int64_t value);
  const int64_t* begin() const { return values_; }
  const int64_t* end() const { return values_ + rank_; }
  int64_t numel() const;    // the product, at most INT64_MAX; 1 for rank 0
  std::string str() const;  // "(2, 3)", "(4,)", "()"
  friend bool operator==(const Dims& a, const Dims& b) {
    if (a.rank_ != b.rank_) return false;
    for (int i = 0; i < a.rank_; ++i) {
      if (a.values_[i] != b.values_[i]) return false;
    }
    return true;
  }

 private:
  [[noreturn]] static int refuse(int64_t count);

  int rank_ = 0;
  int64_t values_[kMaxRank];  // the first rank_ of them
};

inline Dims contiguous_strides(const Dims& sizes) {
  Dims strides = sizes;
  int64_t step = 1;
  for (int i = sizes.rank() - 1; i >= 0; --i) {
    strides[i] = step;
    step *= sizes[i];
  }
  return strides;
}

// How the elements of the last two dimensions are ordered in memory.
enum class Format : uint8_t {
  kND,         // as the strides say
  kFractalNz,  // FRACTAL_NZ blocks of a row-major tensor, or of one whose transposed view this is (format.h)
  kPacked,     // a PackedWeight's bytes, or their transposed view (packed_weight.h)
};

// Shape and dtype of a result that does not exist yet.
struct TensorDesc {
  DType dtype = DType::kF32;
  Dims sizes;

  int64_t bytes() const { return sizes.numel() * static_cast<int64_t>(dtype_size(dtype)); }
};

template <class Pointer>
struct BasicTensorView {
  Pointer data = nullptr;
  DType dtype = DType::kF32;
  Dims sizes;
  Dims strides;
  Format format = Format::kND;

  BasicTensorView() = default;
  BasicTensorView(Pointer data, DType dtype, const Dims& sizes)
      : BasicTensorView(data, dtype, sizes, contiguous_strides(sizes)) {}
  BasicTensorView(Pointer data, DType dtype, const Dims& sizes, const Dims& strides)
      : data(data), dtype(dtype), sizes(sizes), strides(strides) {}
  template <class Other>
  BasicTensorView(const BasicTensorView<Other>& o) : BasicTensorView(o.data, o.dtype, o.sizes, o.strides) {
    format = o.format;
  }

  int rank() const { return sizes.rank(); }
  int64_t numel() const { return sizes.numel(); }
  bool is_contiguous() const { return strides_are_contiguous(sizes, strides); }
  // The view with its last two dimensions exchanged; needs rank >= 2.
  BasicTensorView transposed() const {
    BasicTensorView t = *this;
    t.sizes[-1] = sizes[-2], t.sizes[-2] = sizes[-1];
    t.strides[-1] = strides[-2], t.strides[-2] = strides[-1];
    return t;
  }

 private:
  static bool strides_are_contiguous(const Dims& sizes, const Dims& strides) {
    int64_t expected = 1;
    for (int i = sizes.rank() - 1; i >= 0; --i) {
      if (sizes[i] != 1 && strides[i] != expected) return false;
      expected *= sizes[i];
    }
    return true;
  }
};

using TensorView = BasicTensorView<void*>;
using ConstTensorView = BasicTensorView<const void*>;

}  // namespace a8w8
