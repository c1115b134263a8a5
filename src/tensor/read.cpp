#include "tensor/read.h"

#include <cstring>
#include <type_traits>

#include "a8w8/half.h"

namespace a8w8 {
namespace {

// Calls element(i, pointer) for each element, i counting in row-major order.
template <class Element>
void for_each_element(const ConstTensorView& view, Element element) {
  const bool dense = view.is_contiguous();  // then it is one long row
  const int64_t rows = dense ? 1 : row_count(view), length = dense ? view.numel() : view.sizes[-1];
  const int64_t step = (dense ? 1 : view.strides[-1]) * static_cast<int64_t>(dtype_size(view.dtype));
  for (int64_t r = 0; r < rows; ++r) {
    const std::byte* p = row_pointer(view, r);
    for (int64_t j = 0; j < length; ++j) element(r * length + j, p + j * step);
  }
}

template <class T>
T load(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// Target(element), or what `convert` makes of it: a template argument, so that the loop has no call in it.
template <class Source, auto convert = nullptr, class Target>
void read_as(const ConstTensorView& view, Target* out) {
  for_each_element(view, [out](int64_t i, const std::byte* p) {
    if constexpr (std::is_null_pointer_v<decltype(convert)>) {
      out[i] = static_cast<Target>(load<Source>(p));
    } else {
      out[i] = convert(load<Source>(p));
    }
  });
}

// Views may point anywhere in a mapped file; kernels read whole elements.
template <class T>
bool is_dense_array(const ConstTensorView& view) {
  return view.is_contiguous() && reinterpret_cast<uintptr_t>(view.data) % alignof(T) == 0;
}

}  // namespace

int64_t row_count(const ConstTensorView& view) {
  int64_t rows = 1;
  for (int i = 0; i + 1 < view.rank(); ++i) rows *= view.sizes[i];
  return rows;
}

const std::byte* row_pointer(const ConstTensorView& view, int64_t row) {
  int64_t offset = 0;
  for (int i = view.rank() - 2; i >= 0; --i) {
    offset += (row % view.sizes[i]) * view.strides[i];
    row /= view.sizes[i];
  }
  return static_cast<const std::byte*>(view.data) + offset * static_cast<int64_t>(dtype_size(view.dtype));
}

void read_floats(const ConstTensorView& view, float* out) {
  switch (view.dtype) {
    case DType::kF32:
      return read_as<float>(view, out);
    case DType::kF16:
      return read_as<uint16_t, half_to_float>(view, out);
    case DType::kBF16:
      return read_as<uint16_t, bfloat16_to_float>(view, out);
    case DType::kI8:
      return read_as<int8_t>(view, out);
    case DType::kU8:
      return read_as<uint8_t>(view, out);
    case DType::kI32:
      return read_as<int32_t>(view, out);
    default:
      return;  // the rules admit no other dtype
  }
}

void read_ints(const ConstTensorView& view, int32_t* out) { read_as<int32_t>(view, out); }
void read_ints(const ConstTensorView& view, int64_t* out) { read_as<int64_t>(view, out); }

bool is_dense_floats(const ConstTensorView& view) { return view.dtype == DType::kF32 && is_dense_array<float>(view); }

const float* dense_floats(const ConstTensorView& view, float* to) {
  if (is_dense_floats(view)) return static_cast<const float*>(view.data);
  read_floats(view, to);
  return to;
}

const int32_t* dense_ints(const ConstTensorView& view, int32_t* to) {
  if (is_dense_array<int32_t>(view)) return static_cast<const int32_t*>(view.data);
  read_ints(view, to);
  return to;
}

ConstTensorView copy_dense(const ConstTensorView& view, void* to) {
  const size_t size = dtype_size(view.dtype);
  for_each_element(
      view, [&](int64_t i, const std::byte* p) { std::memcpy(static_cast<std::byte*>(to) + i * size, p, size); });
  return ConstTensorView(to, view.dtype, view.sizes);
}

}  // namespace a8w8
