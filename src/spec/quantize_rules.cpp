#include "spec/quantize_rules.h"

#include <algorithm>

#include "spec/op_table.h"
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

Status check_int4_length(const char* op, const char* operand, const ConstTensorView& x) {
  if (x.sizes[-1] % kInt4PerWord == 0) return fine();
  return invalid(op, ": the last dimension of ", operand, " ", x.sizes.str(), " is ", x.sizes[-1],
                 ", but for quint4x2 it must be a multiple of ", kInt4PerWord);
}

Status check_quantize_dtypes(const QuantizeArgs& args, Product product) {
  const QuantizeOperands operands = quantize_operands(args.div_mode, product);
  A8W8_RETURN_IF_BROKEN(check_dtype(kQuantizeOp, operands.x, args.x));
  A8W8_RETURN_IF_BROKEN(check_dtype(kQuantizeOp, operands.scales, args.scales));
  A8W8_RETURN_IF_BROKEN(check_dtype(kQuantizeOp, operands.zero_points, args.zero_points));
  if (args.int4 ? operands.int4_allowed : operands.result.contains(args.dtype)) return fine();
  return invalid(kQuantizeOp, ": dtype is ", args.int4 ? "quint4x2" : dtype_name(args.dtype),
                 ", but with div_mode=", args.div_mode ? "True" : "False",
                 product == Product::kAtlasA2 ? "" : " on Atlas inference", " dtype must be ",
                 describe(operands.result), " (qint8, quint8, qint32 likewise)",
                 operands.int4_allowed ? " or quint4x2" : "");
}

// (h,); or with group_index (E,) it is (E, h).
Status check_smooth_scales(const DynamicQuantArgs& args) {
  const ConstTensorView& x = args.x;
  if (args.group_index) {
    A8W8_RETURN_IF_BROKEN(check_dtype(kDynamicOp, dynamic_quant_operands().group_index, args.group_index));
    if (args.group_index->rank() != 1 || args.group_index->numel() == 0) {
      return invalid(kDynamicOp, ": group_index has shape ", args.group_index->sizes.str(),
                     ", but must be (E,) and not empty");
    }
    if (!args.smooth_scales) return invalid(kDynamicOp, ": group_index is given without smooth_scales (E, h)");
  }
  if (!args.smooth_scales) return fine();
  A8W8_RETURN_IF_BROKEN(check_dtype(kDynamicOp, "smooth_scales", *args.smooth_scales, x.dtype));
  if (!args.group_index) return check_vector(kDynamicOp, "smooth_scales", *args.smooth_scales, x.sizes[-1], "h", false);
  const Dims expected({args.group_index->sizes[0], x.sizes[-1]});
  if (args.smooth_scales->sizes == expected) return fine();
  return invalid(kDynamicOp, ": smooth_scales has shape ", args.smooth_scales->sizes.str(),
                 ", but with group_index (E,) it must be (E, h) = ", expected.str());
}

}  // namespace

Status check_group_index(const int32_t* group_end, int64_t groups, int64_t rows) {
  for (int64_t e = 0; e < groups; ++e) {
    const int64_t before = e > 0 ? group_end[e - 1] : 0;
    if (group_end[e] >= before && group_end[e] <= rows && (e + 1 < groups || group_end[e] == rows)) continue;
    return invalid(kDynamicOp, ": group_index[", e, "] is ", group_end[e], ", but group_index must not decrease, ",
                   "starts at 0 or above, and its last value is the number of rows, ", rows);
  }
  return fine();
}

Status check_trans_quant_param(const TransQuantParamArgs& args, TensorDesc& desc) {
  const ConstTensorView& scale = args.scale;
  const TransQuantParamOperands operands = trans_quant_param_operands();
  A8W8_RETURN_IF_BROKEN(check_dtype(kPackOp, operands.scale, scale));
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
  A8W8_RETURN_IF_BROKEN(check_dtype(kPackOp, operands.offset, offset));
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
  if (args.int4) {
    A8W8_RETURN_IF_BROKEN(check_int4_length(kQuantizeOp, "x", args.x));
    desc = {DType::kI32, args.x.sizes};
    desc.sizes[-1] /= kInt4PerWord;
  }
  return fine();
}

Status check_dynamic_quant(const DynamicQuantArgs& args, DynamicQuantDesc& desc) {
  const ConstTensorView& x = args.x;
  A8W8_RETURN_IF_BROKEN(check_dtype(kDynamicOp, dynamic_quant_operands().input, x));
  if (x.rank() < 2) {
    return invalid(kDynamicOp, ": input has shape ", x.sizes.str(), ", but must have 2 to ", kMaxRank, " dimensions");
  }
  if (x.sizes[-1] == 0) {
    return invalid(kDynamicOp, ": the last dimension of input ", x.sizes.str(),
                   " is 0; its largest value is not defined");
  }
  A8W8_RETURN_IF_BROKEN(check_smooth_scales(args));
  desc = {{DType::kI8, x.sizes}, {DType::kF32, Dims(x.sizes.begin(), x.rank() - 1)}};
  if (args.int4) {
    A8W8_RETURN_IF_BROKEN(check_int4_length(kDynamicOp, "input", x));
    desc.y.dtype = DType::kI32;
    desc.y.sizes[-1] /= kInt4PerWord;
  }
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
