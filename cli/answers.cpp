#include "cli/answers.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <random>
#include <sstream>
#include <vector>

#include "a8w8/half.h"
#include "ref/reference.h"

namespace a8w8::cli {
namespace {

const std::byte* at(const ConstTensorView& view, int64_t offset) {
  return static_cast<const std::byte*>(view.data) + offset * static_cast<int64_t>(dtype_size(view.dtype));
}

// The vector's element i as a vector of one.
ConstTensorView one_of(const ConstTensorView& v, int64_t i) {
  return {at(v, v.numel() == 1 ? 0 : i * v.strides[-1]), v.dtype, {1}};
}
std::optional<ConstTensorView> one_of(const std::optional<ConstTensorView>& v, int64_t i) {
  return v ? std::optional(one_of(*v, i)) : std::nullopt;
}

// Row `row` or column `col` of batch `batch` as a matrix.
ConstTensorView slice(const ConstTensorView& x, int64_t batch, int64_t row, int64_t rows, int64_t col, int64_t cols) {
  const int64_t offset = (x.rank() == 3 ? batch * x.strides[0] : 0) + row * x.strides[-2] + col * x.strides[-1];
  return {at(x, offset), x.dtype, {rows, cols}, {x.strides[-2], x.strides[-1]}};
}

struct Position {
  int64_t batch, row, col;
};

Position position_of(const ConstTensorView& out, int64_t index) {
  const int64_t m = out.sizes[-2], n = out.sizes[-1];
  return {index / (m * n), index / n % m, index % n};
}

// The call that computes nothing but one element.
QuantMatmulArgs call_for(const QuantMatmulArgs& args, const Position& p) {
  QuantMatmulArgs one = args;
  one.x1 = slice(args.x1, p.batch, p.row, 1, 0, args.x1.sizes[-1]);
  one.x2 = slice(args.x2, p.batch, 0, args.x2.sizes[-2], p.col, 1);
  one.scale = one_of(args.scale, p.col);
  one.offset = one_of(args.offset, p.col);
  one.pertoken_scale = one_of(args.pertoken_scale, p.row);
  one.bias = one_of(args.bias, p.col);
  return one;
}

std::optional<std::string> check_element(const QuantMatmulArgs& args, const ConstTensorView& out, int64_t index) {
  std::byte expected[8] = {};
  ref::quant_matmul(call_for(args, position_of(out, index)), TensorView(expected, out.dtype, {1, 1}));
  if (std::memcmp(expected, at(out, index), dtype_size(out.dtype)) == 0) return std::nullopt;
  return wrong_message(out, index, expected);
}

}  // namespace

std::optional<std::string> wrong_element(const QuantMatmulArgs& args, const ConstTensorView& out, int random) {
  const int64_t n = out.sizes[-1], count = out.numel();
  std::vector<int64_t> indices = {0, n - 1, count - n, count - 1};
  std::mt19937_64 rng(static_cast<uint64_t>(count));
  for (int i = 0; i < random; ++i) indices.push_back(std::uniform_int_distribution<int64_t>(0, count - 1)(rng));
  for (int64_t index : indices) {
    if (auto wrong = check_element(args, out, index)) return wrong;
  }
  return std::nullopt;
}

std::optional<std::string> wrong_constant(const QuantMatmulArgs& args, const ConstTensorView& out) {
  if (auto wrong = check_element(args, out, 0)) return wrong;
  const size_t size = dtype_size(out.dtype);
  for (int64_t i = 1; i < out.numel(); ++i) {
    if (std::memcmp(at(out, i), out.data, size) != 0) return wrong_message(out, i, out.data);
  }
  return std::nullopt;
}

double element_value(const ConstTensorView& tensor, int64_t index) {
  const auto get = [&](auto value) {
    std::memcpy(&value, at(tensor, index), sizeof value);
    return value;
  };
  switch (tensor.dtype) {
    case DType::kI8:
      return get(int8_t{});
    case DType::kI32:
      return get(int32_t{});
    case DType::kF16:
      return half_to_float(get(uint16_t{}));
    case DType::kBF16:
      return bfloat16_to_float(get(uint16_t{}));
    default:
      return get(float{});
  }
}

std::string wrong_message(const ConstTensorView& out, int64_t index, const void* expected) {
  const Position p = position_of(out, index);
  std::ostringstream text;
  text << "result (";
  if (out.rank() > 2) text << p.batch << ", ";
  text << p.row << ", " << p.col << ") is " << element_value(out, index) << ", must be "
       << element_value(ConstTensorView(expected, out.dtype, {1}), 0);
  return text.str();
}

}  // namespace a8w8::cli
