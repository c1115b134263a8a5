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
constexpr int64_t kMaxGroupSize = 65535;

Status check_matrix(const char* operand, const ConstTensorView& x) {
  if (x.rank() < kMinRank || x.rank() > kMatmulMaxRank) {
    return invalid(kOp, ": ", operand, " has ", x.rank(), " dimensions, shape ", x.sizes.str(), ", but must have ",
                   kMinRank, " to ", kMatmulMaxRank);
  }
  if (x.numel() == 0)
    return invalid(kOp, ": ", operand, " is empty, shape ", x.sizes.str(), "; empty operands are not allowed");
  return fine();
}

// Only x2 may be in blocks, and then whole: as they were laid out, or seen transposed; or packed, and seen transposed.
Status check_formats(const QuantMatmulArgs& args) {
  const auto is_nd = [](const auto& view) { return view.format == Format::kND; };
  const auto optional_is_nd = [&](const auto& view) { return !view || is_nd(*view); };
  if (!is_nd(args.x1) || !is_nd(args.scale) || !optional_is_nd(args.offset) || !optional_is_nd(args.pertoken_scale) ||
      !optional_is_nd(args.bias)) {
    return invalid(kOp, ": an operand other than x2 is in FRACTAL_NZ or packed, but only x2 may be");
  }
  if (is_nd(args.x2)) return fine();
  if (args.x2.format == Format::kPacked) {
    if (is_per_group(args)) return invalid(kOp, ": x2 is a packed weight, but with groups it must be a plain one");
    if (args.x2.rank() == 2 && args.x2.transposed().is_contiguous()) return fine();
    return invalid(kOp, ": x2 is a packed weight (n, k), so it must be its transposed view (k, n)");
  }
  if (args.x2.is_contiguous() || args.x2.transposed().is_contiguous()) return fine();
  return invalid(kOp, ": x2 is in FRACTAL_NZ with strides ", args.x2.strides.str(), " for shape ", args.x2.sizes.str(),
                 ", but must be a whole tensor, or one with its last two dimensions exchanged");
}

// x1 (..., m, k / 8); x2 (k / 8, n) or (k, n / 8).
Status check_int4_matrices(const QuantMatmulArgs& args) {
  if (args.x2.rank() != 2) {
    return invalid(kOp, ": x2 has shape ", args.x2.sizes.str(), ", but for int4 in int32 words it must be 2-D");
  }
  const int64_t words = args.x1.sizes[-1], rows = args.x2.sizes[-2];
  if (rows == words || rows == kInt4PerWord * words) {
    // Blocks are of the tensor as it was stored, words along its columns.
    const bool along_k = rows == words, in_blocks = args.x2.format == Format::kFractalNz;
    const ConstTensorView stored = along_k ? args.x2.transposed() : args.x2;
    if (!in_blocks || stored.is_contiguous()) return fine();
    return invalid(kOp, ": x2 is in FRACTAL_NZ with int4 words along ", along_k ? "k" : "n",
                   ", but its blocks are those of ",
                   args.x2.is_contiguous() ? args.x2.sizes.str() : args.x2.transposed().sizes.str(),
                   "; they must be of ", along_k ? "(n, k / 8), seen transposed" : "(k, n / 8)");
  }
  return invalid(kOp, ": x1 ", args.x1.sizes.str(), " holds k = ", kInt4PerWord * words, " int4 a row, so x2 ",
                 args.x2.sizes.str(), " must be (k / 8, n) with k / 8 = ", words,
                 ", or (k, n / 8) with k = ", kInt4PerWord * words);
}

Status check_k(const QuantMatmulArgs& args) {
  if (is_int4(args)) return check_int4_matrices(args);
  const int64_t k = args.x1.sizes[-1];
  if (args.x2.sizes[-2] == k) return fine();
  return invalid(kOp, ": k of x1 ", args.x1.sizes.str(), " is ", k, ", but k of x2 ", args.x2.sizes.str(), " is ",
                 args.x2.sizes[-2], "; x1 is (..., m, k) and x2 is (..., k, n)");
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

Status check_bias_shape(const ConstTensorView& bias, const Dims& out, bool int4) {
  const int64_t n = out[-1];
  if (bias.rank() == 1 && bias.sizes[0] == n) return fine();
  if (int4) return invalid(kOp, ": bias has shape ", bias.sizes.str(), ", but for int4 it must be (n,) = (", n, ",)");
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

Status check_group_sizes(const QuantMatmulArgs& args) {
  if (!args.group_sizes) return fine();
  const Dims& g = *args.group_sizes;
  const bool in_range =
      g.rank() == 3 && std::all_of(g.begin(), g.end(), [](int64_t v) { return v >= 0 && v <= kMaxGroupSize; });
  if (!in_range) {
    return invalid(kOp, ": group_sizes is ", g.str(), ", but must be None or three numbers from 0 to ", kMaxGroupSize);
  }
  if (g[0] > 1 || g[1] > 1) {
    return invalid(kOp, ": group_sizes is ", g.str(),
                   ", but only the last number, the group along k, may be above 1: (1, 1, g)");
  }
  return fine();
}

// scale float32 and offset float16 (k / g, n), pertoken_scale (m,) or (m, 1).
Status check_per_group(const QuantMatmulArgs& args, const MatmulSizes& s) {
  const int64_t group = (*args.group_sizes)[2];
  if (args.x1.rank() != 2 || !int4_along_k(args)) {
    return invalid(kOp, ": x1 is ", args.x1.sizes.str(), " and x2 ", args.x2.sizes.str(),
                   ", but with groups they must be (m, k / 8) and (k / 8, n), the transposed view of a packed (n, k)");
  }
  if (s.k % group != 0) {
    return invalid(kOp, ": group_sizes is ", args.group_sizes->str(), ", but k = ", s.k, " is not a multiple of ",
                   group);
  }
  const Dims expected({s.k / group, s.n});
  for (const auto& [name, view] : {std::pair("scale", &args.scale), std::pair("offset", &*args.offset)}) {
    if (view->sizes == expected) continue;
    return invalid(kOp, ": ", name, " has shape ", view->sizes.str(), ", but with groups of ", group,
                   " along k it must be (k / group, n) = ", expected.str());
  }
  const Dims& per_row = args.pertoken_scale->sizes;
  if (per_row == Dims({s.m}) || per_row == Dims({s.m, 1})) return fine();
  return invalid(kOp, ": pertoken_scale has shape ", per_row.str(), ", but must be (m,) or (m, 1) with m = ", s.m);
}

Status check_per_tensor_or_channel(const QuantMatmulArgs& args, const MatmulSizes& s, const Dims& out) {
  A8W8_RETURN_IF_BROKEN(check_vector(kOp, "scale", args.scale, s.n, "n"));
  if (args.offset) A8W8_RETURN_IF_BROKEN(check_vector(kOp, "offset", *args.offset, s.n, "n"));
  if (args.pertoken_scale)
    A8W8_RETURN_IF_BROKEN(check_vector(kOp, "pertoken_scale", *args.pertoken_scale, s.m, "m", false));
  if (args.bias) A8W8_RETURN_IF_BROKEN(check_bias_shape(*args.bias, out, is_int4(args)));
  return check_packed_bound(args);
}

}  // namespace

MatmulSizes matmul_sizes(const QuantMatmulArgs& args) {
  MatmulSizes s{args.x1.sizes[-2], args.x2.sizes[-1], args.x1.sizes[-1]};
  if (!is_int4(args)) return s;
  s.k *= kInt4PerWord;
  if (!int4_along_k(args)) s.n *= kInt4PerWord;
  return s;
}

bool is_per_group(const QuantMatmulArgs& args) {
  return args.group_sizes &&
         std::any_of(args.group_sizes->begin(), args.group_sizes->end(), [](int64_t g) { return g > 1; });
}

bool packs_float_scale(const QuantMatmulArgs& args) {
  return args.scale.dtype == DType::kF32 && !args.pertoken_scale &&
         (args.output_dtype == DType::kI8 || args.output_dtype == DType::kF16);
}

Status check_quant_matmul(const QuantMatmulArgs& args, Product product, TensorDesc& desc) {
  A8W8_RETURN_IF_BROKEN(check_matrix("x1", args.x1));
  A8W8_RETURN_IF_BROKEN(check_matrix("x2", args.x2));
  A8W8_RETURN_IF_BROKEN(check_group_sizes(args));
  A8W8_RETURN_IF_BROKEN(check_dtype_combination(args, product));
  A8W8_RETURN_IF_BROKEN(check_formats(args));
  A8W8_RETURN_IF_BROKEN(check_k(args));

  const MatmulSizes s = matmul_sizes(args);
  Dims sizes;
  A8W8_RETURN_IF_BROKEN(broadcast_batch(args.x1, args.x2, sizes));
  sizes.push_back(s.m);
  sizes.push_back(s.n);
  A8W8_RETURN_IF_BROKEN(is_per_group(args) ? check_per_group(args, s) : check_per_tensor_or_channel(args, s, sizes));
  desc = {args.output_dtype, sizes};
  return fine();
}

TensorDesc infer(const QuantMatmulArgs& args, Product product) {
  TensorDesc desc;
  throw_if_error(check_quant_matmul(args, product, desc));
  return desc;
}

}  // namespace a8w8
