// The operands of the products that benchmarks time, owned: x (m, k), a weight (n, k), scales, bias, and the result.
//
//   GemmOperands operands({.shape = {128, 4096, 4096}});
//   operands.fill_random();
//   quant_matmul(operands.args(), operands.out(), ctx);
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "a8w8/quant_matmul.h"
#include "cli/buffer.h"
#include "cli/shapes.h"

namespace a8w8::cli {

struct GemmSpec {
  Shape shape;
  int64_t batch = 1;  // above 1: x, weight and result have three dimensions
  DType out = DType::kBF16;
  bool bias = false;
  bool int4 = false;  // x and weight are words of eight int4 along k, a multiple of 8
};

class GemmOperands {
 public:
  // Throws Error if quant_matmul does not offer the combination.
  explicit GemmOperands(const GemmSpec& spec);

  // The numbers of operands filled with ones are the same everywhere in the result: the scale times k.
  void fill_ones();
  void fill_random();

  const GemmSpec& spec() const { return spec_; }
  ConstTensorView weight() const;  // (n, k), or words (n, k / 8); with batches (batch, n, k)
  // x1, scales and bias, and x2 as the transposed weight, or whatever is put in its place.
  QuantMatmulArgs args() const { return args(weight()); }
  QuantMatmulArgs args(const ConstTensorView& weight) const;
  TensorView out();

  double operations() const;  // 2 batch m n k
  double bytes() const;       // of every operand and the result, once
  bool has_pertoken_scale() const { return spec_.out == DType::kBF16 || spec_.out == DType::kF16; }

 private:
  int64_t packed_k() const { return spec_.int4 ? spec_.shape.k / kInt4PerWord : spec_.shape.k; }
  DType operand_dtype() const { return spec_.int4 ? DType::kI32 : DType::kI8; }

  GemmSpec spec_;
  Buffer x_, weight_, out_;
  std::vector<float> scale_, pertoken_scale_, bias_f32_;
  std::vector<int32_t> bias_i32_;
};

// Bytes without a pattern, the same ones for the same seed.
void fill_random_bytes(void* to, size_t bytes, uint64_t seed);
void fill_uniform(std::vector<float>& to, float lo, float hi, uint64_t seed);

// "bf16", "f16", "f32", "i8", "i32".
DType parse_dtype(const std::string& name);
const char* short_name(DType dtype);

}  // namespace a8w8::cli
