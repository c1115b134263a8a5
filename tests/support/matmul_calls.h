// Random calls of quant_matmul, for tests: the operands, owned, and what the reference and the library make of them.
#pragma once

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>
#include <vector>

#include "a8w8/context.h"
#include "a8w8/quant_matmul.h"
#include "ref/reference.h"
#include "support/tensors.h"

namespace a8w8::testing {

// The operands of one call, owned.
struct Call {
  OwnedTensor x1, x2, scale;
  std::optional<OwnedTensor> offset, pertoken_scale, bias;
  DType output_dtype;
  std::optional<Dims> group_sizes = std::nullopt;

  QuantMatmulArgs args() const {
    const auto view = [](const std::optional<OwnedTensor>& t) {
      return t ? std::optional<ConstTensorView>(std::as_const(*t).view()) : std::nullopt;
    };
    return {x1.view(),  x2.view(),    scale.view(), view(offset), view(pertoken_scale),
            view(bias), output_dtype, group_sizes};
  }
};

inline std::optional<DType> pick(DTypeSet set, Rng& rng) {
  std::vector<std::optional<DType>> choices;
  for (int i = 0; i < kDTypeCount; ++i) {
    if (set.contains(static_cast<DType>(i))) choices.push_back(static_cast<DType>(i));
  }
  if (set.allows_absent()) choices.push_back(std::nullopt);
  return choices[static_cast<size_t>(uniform_int(rng, 0, static_cast<int64_t>(choices.size()) - 1))];
}

inline OwnedTensor vector(DType dtype, int64_t n, Rng& rng, float lo, float hi, bool allow_one = true) {
  OwnedTensor t(dtype, {allow_one && uniform_int(rng, 0, 3) == 0 ? 1 : n});
  fill_uniform(t, rng, lo, hi);
  return t;
}

inline OwnedTensor scale_vector(DType dtype, int64_t n, Rng& rng) {
  OwnedTensor t = vector(dtype, n, rng, -0.01f, 0.01f);
  for (int64_t i = 0; dtype == DType::kI64 && i < t.numel(); ++i) {
    const float s = std::uniform_real_distribution<float>(-0.01f, 0.01f)(rng);
    t.data<int64_t>()[i] = static_cast<int64_t>(std::bit_cast<uint32_t>(s)) | uniform_int(rng, 0, 511) << 37;
  }
  return t;
}

inline std::vector<std::byte> compute(const Call& call, ExecutionContext* ctx, Product product = Product::kAtlasA2) {
  const TensorDesc desc = infer(call.args(), product);
  std::vector<std::byte> out(static_cast<size_t>(desc.bytes()));
  const TensorView to(out.data(), desc.dtype, desc.sizes);
  ctx ? quant_matmul(call.args(), to, *ctx, product) : ref::quant_matmul(call.args(), to);
  return out;
}

}  // namespace a8w8::testing
