#include "checkpoint/scalars.h"

#include <bit>
#include <cstring>
#include <limits>

#include "a8w8/half.h"

namespace a8w8::checkpoint {
namespace {

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

const std::byte* address(const ConstTensorView& view, int64_t i) {
  const int64_t offset = view.rank() == 0 ? 0 : i * view.strides[0];
  return static_cast<const std::byte*>(view.data) + offset * static_cast<int64_t>(dtype_size(view.dtype));
}

}  // namespace

double element(const ConstTensorView& view, int64_t i) {
  const std::byte* from = address(view, i);
  switch (view.dtype) {
    case DType::kI8:
      return load<int8_t>(from);
    case DType::kU8:
      return load<uint8_t>(from);
    case DType::kI32:
      return load<int32_t>(from);
    case DType::kI64:
      return static_cast<double>(load<int64_t>(from));
    case DType::kF16:
      return half_to_float(load<uint16_t>(from));
    case DType::kBF16:
      return bfloat16_to_float(load<uint16_t>(from));
    case DType::kF32:
      return load<float>(from);
    default:  // bool, int16, float64: no role may be one
      return std::numeric_limits<double>::quiet_NaN();
  }
}

double packed_scale(const ConstTensorView& view, int64_t i) {
  return std::bit_cast<float>(static_cast<uint32_t>(load<int64_t>(address(view, i))));
}

std::string dtype_names(DTypeSet set) {
  std::string names;
  for (int i = 0; i < kDTypeCount; ++i) {
    const DType dtype = static_cast<DType>(i);
    if (set.contains(dtype)) names += (names.empty() ? "" : " or ") + std::string(dtype_name(dtype));
  }
  return names;
}

float rounded_to(DType dtype, float x) {
  if (dtype == DType::kBF16) return bfloat16_to_float(float_to_bfloat16(x));
  if (dtype == DType::kF16) return half_to_float(float_to_half(x));
  return x;
}

}  // namespace a8w8::checkpoint
