#include "cli/linear_operands.h"

#include <cstring>
#include <functional>
#include <random>

#include "a8w8/half.h"
#include "cli/answers.h"
#include "cli/operands.h"
#include "ref/reference.h"

namespace a8w8::cli {
namespace {

void store(std::byte* to, DType dtype, float value) {
  if (dtype == DType::kF32) {
    std::memcpy(to, &value, sizeof value);
    return;
  }
  const uint16_t half = dtype == DType::kF16 ? float_to_half(value) : float_to_bfloat16(value);
  std::memcpy(to, &half, sizeof half);
}

// Elements of `out` against expected(i, j): the corners and some others.
std::optional<std::string> wrong_float(const ConstTensorView& out,
                                       const std::function<float(int64_t, int64_t)>& expected) {
  const int64_t m = out.sizes[0], n = out.sizes[1];
  const auto size = static_cast<int64_t>(dtype_size(out.dtype));
  std::mt19937_64 rng(7);
  for (int check = 0; check < 12; ++check) {
    const int64_t i = check < 4 ? check / 2 * (m - 1) : std::uniform_int_distribution<int64_t>(0, m - 1)(rng);
    const int64_t j = check < 4 ? check % 2 * (n - 1) : std::uniform_int_distribution<int64_t>(0, n - 1)(rng);
    std::byte right[4] = {};
    store(right, out.dtype, expected(i, j));
    const int64_t index = i * n + j;
    if (std::memcmp(right, static_cast<const std::byte*>(out.data) + index * size, dtype_size(out.dtype)) != 0) {
      return wrong_message(out, index, right);
    }
  }
  return std::nullopt;
}

int64_t dot(const int8_t* a, const int8_t* b, int64_t k) {
  int64_t sum = 0;
  for (int64_t p = 0; p < k; ++p) sum += a[p] * b[p];
  return sum;
}

// int32 sums wrap.
float wrapped(int64_t sum) { return static_cast<float>(static_cast<int32_t>(static_cast<uint32_t>(sum))); }

}  // namespace

LinearOperands::LinearOperands(const Shape& shape, DType in)
    : shape_(shape),
      in_(in),
      x_(static_cast<size_t>(shape.m * shape.k) * dtype_size(in)),
      weight_(static_cast<size_t>(shape.n * shape.k)),
      out_(static_cast<size_t>(shape.m * shape.n) * dtype_size(in)),
      quantized_(static_cast<size_t>(shape.m * shape.k)),
      weight_scale_(static_cast<size_t>(shape.n)),
      row_scales_(static_cast<size_t>(shape.m)),
      quant_bias_(static_cast<size_t>(shape.n)) {
  std::vector<float> x(static_cast<size_t>(shape.m * shape.k));
  fill_uniform(x, -2.0f, 2.0f, 1);
  for (size_t i = 0; i < x.size(); ++i) store(x_.data() + i * dtype_size(in), in, x[i]);
  fill_random_bytes(weight_.data(), weight_.size(), 2);
  fill_uniform(weight_scale_, 1e-4f, 3e-4f, 3);
  fill_random_bytes(quant_bias_.data(), quant_bias_.size() * sizeof(int32_t), 4);
  for (int32_t& b : quant_bias_) b >>= 12;
}

LinearDynamicArgs LinearOperands::dynamic_args() const {
  return {.x = x(),
          .weight = ConstTensorView(weight_.data(), DType::kI8, {shape_.n, shape_.k}),
          .weight_scale = ConstTensorView(weight_scale_.data(), DType::kF32, {shape_.n})};
}

LinearStaticArgs LinearOperands::static_args() const {
  return {.x = x(),
          .input_scale = ConstTensorView(&input_scale_, DType::kF32, {1}),
          .input_offset = ConstTensorView(&input_offset_, DType::kF32, {1}),
          .weight = ConstTensorView(weight_.data(), DType::kI8, {shape_.n, shape_.k}),
          .deq_scale = ConstTensorView(weight_scale_.data(), DType::kF32, {shape_.n}),
          .quant_bias = ConstTensorView(quant_bias_.data(), DType::kI32, {shape_.n})};
}

ConstTensorView LinearOperands::row(int64_t i) const {
  const size_t row_bytes = static_cast<size_t>(shape_.k) * dtype_size(in_);
  return {x_.data() + static_cast<size_t>(i) * row_bytes, in_, {1, shape_.k}};
}

std::optional<std::string> LinearOperands::wrong_dynamic() const {
  std::vector<int8_t> q(static_cast<size_t>(shape_.k));
  const auto* weight = reinterpret_cast<const int8_t*>(weight_.data());
  return wrong_float(ConstTensorView(out_.data(), in_, {shape_.m, shape_.n}), [&](int64_t i, int64_t j) {
    float scale = 0;
    ref::dynamic_quant({.x = row(i)}, TensorView(q.data(), DType::kI8, {1, shape_.k}),
                       TensorView(&scale, DType::kF32, {1}));
    return wrapped(dot(q.data(), weight + j * shape_.k, shape_.k)) * weight_scale_[static_cast<size_t>(j)] * scale;
  });
}

std::optional<std::string> LinearOperands::wrong_static() const {
  std::vector<int8_t> q(static_cast<size_t>(shape_.k));
  const auto* weight = reinterpret_cast<const int8_t*>(weight_.data());
  const LinearStaticArgs args = static_args();
  return wrong_float(ConstTensorView(out_.data(), in_, {shape_.m, shape_.n}), [&](int64_t i, int64_t j) {
    ref::quantize({.x = row(i), .scales = args.input_scale, .zero_points = args.input_offset},
                  TensorView(q.data(), DType::kI8, {1, shape_.k}));
    const int64_t sum = dot(q.data(), weight + j * shape_.k, shape_.k) + quant_bias_[static_cast<size_t>(j)];
    return wrapped(sum) * weight_scale_[static_cast<size_t>(j)];
  });
}

std::optional<std::string> LinearOperands::wrong_quantized() const {
  std::vector<int8_t> q(static_cast<size_t>(shape_.k));
  for (const int64_t i : {int64_t{0}, shape_.m / 2, shape_.m - 1}) {
    float scale = 0;
    ref::dynamic_quant({.x = row(i)}, TensorView(q.data(), DType::kI8, {1, shape_.k}),
                       TensorView(&scale, DType::kF32, {1}));
    const bool same = scale == row_scales_[static_cast<size_t>(i)] &&
                      std::memcmp(q.data(), quantized_.data() + i * shape_.k, q.size()) == 0;
    if (!same) return "row " + std::to_string(i) + " or its scale is wrong";
  }
  return std::nullopt;
}

}  // namespace a8w8::cli
