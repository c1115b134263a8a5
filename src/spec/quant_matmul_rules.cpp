#include "spec/quant_matmul_rules.h"

#include <algorithm>
#include <utility>

#include "spec/dtype_combination.h"
#include "spec/rules.h"

namespace a8w8 {
namespace {

constexpr const char* kOp = "npu_quant_matmul";
constexpr int kMinRank = 2, kMatmulMaxRank = 6;
// The vendor's bound on the last dimension of x1 and x2, lifted where the scale stays a float.
constexpr int64_t kMaxPackedDim = 65535;

Status check_matrix(const char* operand, const ConstTensorView& x) {
  if (x.rank() < kMinRank || x.rank() > kMatmulMaxRank) {
    return invalid(kOp, ": ", operand, " has ", x.rank(), " dimensions, shape ", x.sizes.str(), ", but must have ",
                   kMinRank, " to ", kMatmulMaxRank);
  }
  if (x.numel() == 0)
    return invalid(kOp, ": ", operand, " is empty, shape ", x.sizes.str(), "; empty operands are not allowed");
  return fine();
}

// Right-aligned broadcast of the leading dimensions; fills the leading part of `sizes`.
Status broadcast_batch(const ConstTensorView& x1, const ConstTensorView& x2, Dims& sizes) {
  const int rank = std::max(x1.rank(), x2.rank());
  for (int i = 0; i < rank - 2; ++i) {
    const int i1 = i - (rank - x1.rank()), i2 = i - (rank - x2.rank());
    const int64_t s1 = i1 < 0 ? 1 : x1.sizes[i1], s2 = i2 < 0 ? 1 : x2.sizes[i2];
    if (s1 != s2 && s1 != 1 && s2 != 1) {
      return invalid(kOp, ": the batch dimensions of x1 ", x1.sizes.str(), " and x2 ", x2.sizes.str(),
                     " cannot be broadcast: ", s1, " against ", s2, "; they must be equal or 1");
    }
    sizes.push_back(std::max(s1, s2));
  }
  return fine();
}

Status check_bias_shape(const ConstTensorView& bias, const Dims& out) {
  const int64_t n = out[-1];
  if (bias.rank() == 1 && bias.sizes[0] == n) return fine();
  if (bias.rank() == 3 && out.rank() == 3 && bias.sizes == Dims({out[0], 1, n})) return fine();
  return invalid(kOp, ": bias has shape ", bias.sizes.str(), ", but must be (n,) = (", n, ",)",
                 out.rank() == 3 ? str_cat(" or (batch, 1, n) = ", Dims({out[0], 1, n}).str())
                                 : std::string("; (batch, 1, n) is only for a 3-D result"));
}

Status check_packed_bound(const QuantMatmulArgs& args) {
  if (args.scale.dtype != DType::kI64 && !packs_float_scale(args)) return fine();
  for (const auto& [name, dim] : {std::pair("x1", args.x1.sizes[-1]), std::pair("x2", args.x2.sizes[-1])}) {
    if (dim > kMaxPackedDim) {
      return invalid(kOp, ": the last dimension of ", name, " is ", dim,
                     ", but with a packed scale (int64, or float32 for ",
                     "int8 or float16 output without pertoken_scale) at most ", kMaxPackedDim, " is allowed");
    }
  }
  return fine();
}

}  // namespace

bool packs_float_scale(const QuantMatmulArgs& args) {
  return args.scale.dtype == DType::kF32 && !args.pertoken_scale &&
         (args.output_dtype == DType::kI8 || args.output_dtype == DType::kF16);
}

Status check_quant_matmul(const QuantMatmulArgs& args, Product product, TensorDesc& desc) {
  A8W8_RETURN_IF_BROKEN(check_matrix("x1", args.x1));
  A8W8_RETURN_IF_BROKEN(check_matrix("x2", args.x2));
  A8W8_RETURN_IF_BROKEN(check_dtype_combination(args, product));

  const int64_t m = args.x1.sizes[-2], k = args.x1.sizes[-1], n = args.x2.sizes[-1];
  if (args.x2.sizes[-2] != k) {
    return invalid(kOp, ": k of x1 ", args.x1.sizes.str(), " is ", k, ", but k of x2 ", args.x2.sizes.str(), " is ",
                   args.x2.sizes[-2], "; x1 is (..., m, k) and x2 is (..., k, n)");
  }
  Dims sizes;
  A8W8_RETURN_IF_BROKEN(broadcast_batch(args.x1, args.x2, sizes));
  sizes.push_back(m);
  sizes.push_back(n);

  A8W8_RETURN_IF_BROKEN(check_vector(kOp, "scale", args.scale, n, "n"));
  if (args.offset) A8W8_RETURN_IF_BROKEN(check_vector(kOp, "offset", *args.offset, n, "n"));
  if (args.pertoken_scale)
    A8W8_RETURN_IF_BROKEN(check_vector(kOp, "pertoken_scale", *args.pertoken_scale, m, "m", false));
  if (args.bias) A8W8_RETURN_IF_BROKEN(check_bias_shape(*args.bias, sizes));
  A8W8_RETURN_IF_BROKEN(check_packed_bound(args));
  desc = {args.output_dtype, sizes};
  return fine();
}

TensorDesc infer(const QuantMatmulArgs& args, Product product) {
  TensorDesc desc;
  throw_if_error(check_quant_matmul(args, product, desc));
  return desc;
}

}  // namespace a8w8
