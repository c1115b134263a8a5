#include "cli/operands.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>

#include "a8w8/status.h"

namespace a8w8::cli {
namespace {

constexpr std::pair<const char*, DType> kShortNames[] = {
    {"bf16", DType::kBF16}, {"f16", DType::kF16}, {"f32", DType::kF32}, {"i8", DType::kI8}, {"i32", DType::kI32}};

size_t bytes_of(int64_t count, DType dtype) { return static_cast<size_t>(count) * dtype_size(dtype); }

}  // namespace

GemmOperands::GemmOperands(const GemmSpec& spec) : spec_(spec) {
  const auto& [m, n, k] = spec.shape;
  if (spec.int4 && k % kInt4PerWord != 0) {
    throw Error(ErrorCode::kInvalidArgument, "shape " + spec.shape.str() + ": int4 needs a k that 8 divides");
  }
  x_ = Buffer(bytes_of(spec.batch * m * packed_k(), operand_dtype()));
  weight_ = Buffer(bytes_of(spec.batch * n * packed_k(), operand_dtype()));
  scale_.resize(static_cast<size_t>(n));
  pertoken_scale_.resize(static_cast<size_t>(m));
  bias_f32_.resize(static_cast<size_t>(n));
  bias_i32_.resize(static_cast<size_t>(n));
  out_ = Buffer(static_cast<size_t>(infer(args()).bytes()));
}

void GemmOperands::fill_ones() {
  std::memset(x_.data(), spec_.int4 ? 0x11 : 1, x_.size());
  std::memset(weight_.data(), spec_.int4 ? 0x11 : 1, weight_.size());
  // int8 results do not hold k: they get about 100.
  const float scale = spec_.out == DType::kI8 ? 100.0f / static_cast<float>(spec_.shape.k) : 1.0f;
  std::fill(scale_.begin(), scale_.end(), scale);
  std::fill(pertoken_scale_.begin(), pertoken_scale_.end(), 1.0f);
  std::fill(bias_f32_.begin(), bias_f32_.end(), 0.0f);
  std::fill(bias_i32_.begin(), bias_i32_.end(), 0);
}

void GemmOperands::fill_random() {
  fill_random_bytes(x_.data(), x_.size(), 1);
  fill_random_bytes(weight_.data(), weight_.size(), 2);
  fill_uniform(scale_, 1e-4f, 3e-4f, 3);
  fill_uniform(pertoken_scale_, 0.01f, 0.03f, 4);
  fill_uniform(bias_f32_, -1.0f, 1.0f, 5);
  fill_random_bytes(bias_i32_.data(), bias_i32_.size() * sizeof(int32_t), 6);
  for (int32_t& b : bias_i32_) b >>= 12;
}

ConstTensorView GemmOperands::weight() const {
  const int64_t n = spec_.shape.n;
  return {weight_.data(), operand_dtype(), spec_.batch > 1 ? Dims{spec_.batch, n, packed_k()} : Dims{n, packed_k()}};
}

QuantMatmulArgs GemmOperands::args(const ConstTensorView& weight) const {
  const auto& [m, n, k] = spec_.shape;
  QuantMatmulArgs args;
  args.x1 = {x_.data(), operand_dtype(), spec_.batch > 1 ? Dims{spec_.batch, m, packed_k()} : Dims{m, packed_k()}};
  args.x2 = weight.transposed();
  args.scale = {scale_.data(), DType::kF32, {n}};
  if (has_pertoken_scale()) args.pertoken_scale = ConstTensorView(pertoken_scale_.data(), DType::kF32, {m});
  if (spec_.bias) {
    args.bias = has_pertoken_scale() ? ConstTensorView(bias_f32_.data(), DType::kF32, {n})
                                     : ConstTensorView(bias_i32_.data(), DType::kI32, {n});
  }
  args.output_dtype = spec_.out;
  return args;
}

TensorView GemmOperands::out() {
  const auto& [m, n, k] = spec_.shape;
  return {out_.data(), spec_.out, spec_.batch > 1 ? Dims{spec_.batch, m, n} : Dims{m, n}};
}

double GemmOperands::operations() const {
  const auto& [m, n, k] = spec_.shape;
  return 2.0 * static_cast<double>(spec_.batch) * static_cast<double>(m) * static_cast<double>(n) *
         static_cast<double>(k);
}

double GemmOperands::bytes() const {
  const size_t vectors =
      scale_.size() + (has_pertoken_scale() ? pertoken_scale_.size() : 0) + (spec_.bias ? bias_f32_.size() : 0);
  return static_cast<double>(x_.size() + weight_.size() + out_.size() + 4 * vectors);
}

void fill_random_bytes(void* to, size_t bytes, uint64_t seed) {
  std::byte* at = static_cast<std::byte*>(to);
  uint64_t state = seed * 0x9e3779b97f4a7c15;
  while (bytes > 0) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;  // xorshift
    const size_t step = std::min(bytes, sizeof state);
    std::memcpy(at, &state, step);
    at += step, bytes -= step;
  }
}

void fill_uniform(std::vector<float>& to, float lo, float hi, uint64_t seed) {
  std::mt19937_64 rng(seed);
  std::uniform_real_distribution<float> values(lo, hi);
  for (float& x : to) x = values(rng);
}

DType parse_dtype(const std::string& name) {
  for (const auto& [known, dtype] : kShortNames) {
    if (name == known) return dtype;
  }
  throw Error(ErrorCode::kInvalidArgument, "dtype \"" + name + "\" must be bf16, f16, f32, i8 or i32");
}

const char* short_name(DType dtype) {
  for (const auto& [name, known] : kShortNames) {
    if (dtype == known) return name;
  }
  return dtype_name(dtype);
}

}  // namespace a8w8::cli
