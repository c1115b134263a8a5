#include "spec/quantize_rules.h"

#include <algorithm>

#include "spec/rules.h"

namespace a8w8 {
namespace {

constexpr const char* kPackOp = "npu_trans_quant_param";
constexpr const char* kQuantizeOp = "npu_quantize";
constexpr const char* kDynamicOp = "npu_dynamic_quant";

// div_mode: one dimension, as long as the axis or 1. Otherwise also as many dimensions as x, all 1 but for the axis.
Status check_along_axis(const char* operand, const ConstTensorView& v, const QuantizeArgs& args) {
  const int axis = quantize_axis(args);
  const int64_t length = args.x.sizes[axis];
  if (v.rank() == 1 && (v.sizes[0] == 1 || v.sizes[0] == length)) return fine();
  if (!args.div_mode && v.rank() == args.x.rank()) {
    bool fits = v.sizes[axis] == 1 || v.sizes[axis] == length;
    for (int i = 0; i < v.rank(); ++i) fits = fits && (i == axis || v.sizes[i] == 1);
    if (fits) return fine();
  }
  return invalid(kQuantizeOp, ": ", operand, " has shape ", v.sizes.str(), ", but x ", args.x.sizes.str(),
                 " is quantized along dimension ", axis, " of length ", length, ", which allows (1,) or (", length,
                 ",)",
                 args.div_mode ? "" : str_cat(", or ", args.x.rank(), " dimensions that are 1 except for that one"));
}

Status check_axis(const QuantizeArgs& args, Product product) {
  const int rank = args.x.rank();
  if (args.div_mode && (args.axis < -rank || args.axis >= rank)) {
    return invalid(kQuantizeOp, ": axis is ", args.axis, ", but x ", args.x.sizes.str(), " allows ", -rank, " to ",
                   rank - 1);
  }
  if (!args.div_mode && args.axis == -2) {
    if (rank < 2) return invalid(kQuantizeOp, ": axis is -2, but x ", args.x.sizes.str(), " has only one dimension");
    if (product == Product::kAtlasInference) {
      return invalid(kQuantizeOp,
                     ": axis is -2, but with div_mode=False Atlas inference allows only the last dimension (-1)");
    }
  }
  return fine();
}

Status check_quantize_dtypes(const QuantizeArgs& args, Product product) {
  const bool bf16 = product == Product::kAtlasA2;
  A8W8_RETURN_IF_BROKEN(check_dtype(kQuantizeOp, "x", args.x, bf16 ? kFloats : DType::kF32 | DType::kF16));
  A8W8_RETURN_IF_BROKEN(
      check_dtype(kQuantizeOp, "scales", args.scales, args.div_mode ? DType::kF32 | DType::kBF16 : kFloats));
  constexpr DTypeSet kZeroPoints = DType::kI8 | DType::kU8 | DType::kI32 | kFloats;
  if (args.zero_points) {
    A8W8_RETURN_IF_BROKEN(check_dtype(kQuantizeOp, "zero_points", *args.zero_points, kZeroPoints));
  }
  const DTypeSet outputs = args.div_mode ? DType::kI8 | DType::kU8 | DType::kI32 : DTypeSet(DType::kI8);
  if (!outputs.contains(args.dtype)) {
    return invalid(kQuantizeOp, ": dtype is ", dtype_name(args.dtype),
                   ", but with div_mode=", args.div_mode ? "True" : "False", " it must be ", describe(outputs),
                   " (qint8, quint8, qint32 likewise)");
  }
  return fine();
}

}  // namespace

Status check_trans_quant_param(const TransQuantParamArgs& args, TensorDesc& desc) {
  const ConstTensorView& scale = args.scale;
  A8W8_RETURN_IF_BROKEN(check_dtype(kPackOp, "scale", scale, DType::kF32));
  if (args.round_mode != 0 && args.round_mode != 1) {
    return invalid(kPackOp, ": round_mode is ", args.round_mode, ", but must be 0 (truncate) or 1 (nearest even)");
  }
  if (scale.rank() != 1 && scale.rank() != 2) {
    return invalid(kPackOp, ": scale has shape ", scale.sizes.str(), ", but must have 1 or 2 dimensions");
  }
  if (scale.numel() == 0) return invalid(kPackOp, ": scale is empty, shape ", scale.sizes.str());
  desc = {DType::kI64, scale.sizes};
  if (!args.offset) return fine();

  const ConstTensorView& offset = *args.offset;
  A8W8_RETURN_IF_BROKEN(check_dtype(kPackOp, "offset", offset, DType::kF32));
  if (scale.rank() == 2) {
    if (scale.sizes[0] == 1 && offset.sizes == scale.sizes) return fine();
    return invalid(kPackOp, ": offset has shape ", offset.sizes.str(), " and scale ", scale.sizes.str(),
                   ", but a 2-D scale with offset must be (1, n), and offset of the same shape");
  }
  const int64_t scales = scale.sizes[0];
  const bool fits =
      offset.rank() == 1 && offset.sizes[0] > 0 && (offset.sizes[0] == scales || offset.sizes[0] == 1 || scales == 1);
  if (!fits) {
    return invalid(kPackOp, ": offset has shape ", offset.sizes.str(), ", but for scale ", scale.sizes.str(),
                   " it must be (1,) or ", scales == 1 ? std::string("(t,)") : scale.sizes.str());
  }
  desc.sizes = Dims({std::max(scales, offset.sizes[0])});
  return fine();
}

int quantize_axis(const QuantizeArgs& args) {
  const int rank = args.x.rank();
  if (!args.div_mode) return args.axis == -2 ? rank - 2 : rank - 1;
  return static_cast<int>(args.axis < 0 ? args.axis + rank : args.axis);
}

Status check_quantize(const QuantizeArgs& args, Product product, TensorDesc& desc) {
  A8W8_RETURN_IF_BROKEN(check_quantize_dtypes(args, product));
  if (args.x.rank() < 1) return invalid(kQuantizeOp, ": x has no dimension, but must have 1 to ", kMaxRank);
  A8W8_RETURN_IF_BROKEN(check_axis(args, product));
  A8W8_RETURN_IF_BROKEN(check_along_axis("scales", args.scales, args));
  if (args.zero_points) {
    A8W8_RETURN_IF_BROKEN(check_along_axis("zero_points", *args.zero_points, args));
    if (args.div_mode && !(args.zero_points->sizes == args.scales.sizes)) {
      return invalid(kQuantizeOp, ": zero_points has shape ", args.zero_points->sizes.str(), " and scales ",
                     args.scales.sizes.str(), ", but with div_mode=True they must have the same shape");
    }
  }
  desc = {args.dtype, args.x.sizes};
  return fine();
}

Status check_dynamic_quant(const DynamicQuantArgs& args, DynamicQuantDesc& desc) {
  const ConstTensorView& x = args.x;
  A8W8_RETURN_IF_BROKEN(check_dtype(kDynamicOp, "input", x, kFloats));
  if (x.rank() < 2) {
    return invalid(kDynamicOp, ": input has shape ", x.sizes.str(), ", but must have 2 to ", kMaxRank, " dimensions");
  }
  if (x.sizes[-1] == 0) {
    return invalid(kDynamicOp, ": the last dimension of input ", x.sizes.str(),
                   " is 0; its largest value is not defined");
  }
  if (args.smooth_scales) {
    A8W8_RETURN_IF_BROKEN(check_dtype(kDynamicOp, "smooth_scales", *args.smooth_scales, x.dtype));
    A8W8_RETURN_IF_BROKEN(check_vector(kDynamicOp, "smooth_scales", *args.smooth_scales, x.sizes[-1], "h", false));
  }
  desc = {{DType::kI8, x.sizes}, {DType::kF32, Dims(x.sizes.begin(), x.rank() - 1)}};
  return fine();
}

TensorDesc infer(const TransQuantParamArgs& args) {
  TensorDesc desc;
  throw_if_error(check_trans_quant_param(args, desc));
  return desc;
}

TensorDesc infer(const QuantizeArgs& args, Product product) {
  TensorDesc desc;
  throw_if_error(check_quantize(args, product, desc));
  return desc;
}

DynamicQuantDesc infer(const DynamicQuantArgs& args) {
  DynamicQuantDesc desc;
  throw_if_error(check_dynamic_quant(args, desc));
  return desc;
}

}  // namespace a8w8
