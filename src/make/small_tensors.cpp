#include "make/small_tensors.h"

#include <bit>
#include <cstring>

#include "a8w8/half.h"
#include "checkpoint/scalars.h"

namespace a8w8::make {
namespace {

template <class T>
T load(const void* from, int64_t i) {
  T value;
  std::memcpy(&value, static_cast<const std::byte*>(from) + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

}  // namespace

float value_at(const ConstTensorView& view, int64_t i) {
  switch (view.dtype) {
    case DType::kBF16:
      return bfloat16_to_float(load<uint16_t>(view.data, i));
    case DType::kF16:
      return half_to_float(load<uint16_t>(view.data, i));
    case DType::kI8:
      return load<int8_t>(view.data, i);
    case DType::kI32:
      return static_cast<float>(load<int32_t>(view.data, i));
    case DType::kI64:
      return std::bit_cast<float>(static_cast<uint32_t>(load<uint64_t>(view.data, i)));
    default:
      return load<float>(view.data, i);
  }
}

void store_value(std::byte* to, int64_t i, float value, DType dtype) {
  if (dtype == DType::kF32) {
    std::memcpy(to + i * 4, &value, 4);
    return;
  }
  const uint16_t half = dtype == DType::kBF16 ? float_to_bfloat16(value) : float_to_half(value);
  std::memcpy(to + i * 2, &half, 2);
}

std::vector<float> values_of(const ConstTensorView& view) {
  std::vector<float> values(static_cast<size_t>(view.numel()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = value_at(view, static_cast<int64_t>(i));
  return values;
}

bool fit_exactly(const std::vector<float>& values, DType dtype) {
  for (const float value : values) {
    if (checkpoint::rounded_to(dtype, value) != value) return false;
  }
  return true;
}

std::vector<std::byte> as_bytes(const std::vector<float>& values, DType dtype) {
  std::vector<std::byte> bytes(values.size() * dtype_size(dtype));
  for (size_t i = 0; i < values.size(); ++i) store_value(bytes.data(), static_cast<int64_t>(i), values[i], dtype);
  return bytes;
}

}  // namespace a8w8::make
