#include "spec/linear_rules.h"

#include "spec/op_table.h"
#include "spec/rules.h"

namespace a8w8 {
namespace {

// x (..., k) and weight (n, k); fills the result's desc.
Status check_x_and_weight(const char* op, const ConstTensorView& x, const ConstTensorView& weight, TensorDesc& desc) {
  if (weight.rank() != 2 || weight.numel() == 0) {
    return invalid(op, ": weight has shape ", weight.sizes.str(), ", but must be (n, k) and not empty");
  }
  if (weight.format == Format::kPacked && !weight.is_contiguous())
    return invalid(op,
                   ": weight is the transposed view of a packed weight, but must be the packed weight (n, k) itself");
  if (x.rank() < 1 || x.sizes[-1] != weight.sizes[1]) {
    return invalid(op, ": x has shape ", x.sizes.str(), ", but for weight (n, k) = ", weight.sizes.str(),
                   " it must be (..., k)");
  }
  desc = {x.dtype, x.sizes};
  desc.sizes[-1] = weight.sizes[0];
  return fine();
}

Status check_column_scale(const char* op, const char* operand, const ConstTensorView& scale, int64_t n) {
  if (scale.sizes == Dims({n}) || scale.sizes == Dims({n, 1})) return fine();
  return invalid(op, ": ", operand, " has shape ", scale.sizes.str(), ", but must be (n,) or (n, 1) with n = ", n);
}

Status check_single(const char* op, const char* operand, const ConstTensorView& value) {
  if (value.numel() == 1) return fine();
  return invalid(op, ": ", operand, " has shape ", value.sizes.str(), ", but must be one number");
}

}  // namespace

Status check_linear_dynamic(const LinearDynamicArgs& args, TensorDesc& desc) {
  constexpr const char* kOp = "linear_dynamic";
  const LinearDynamicOperands operands = linear_dynamic_operands();
  A8W8_RETURN_IF_BROKEN(check_dtype(kOp, operands.x, args.x));
  A8W8_RETURN_IF_BROKEN(check_dtype(kOp, operands.weight, args.weight));
  A8W8_RETURN_IF_BROKEN(check_x_and_weight(kOp, args.x, args.weight, desc));
  const int64_t n = args.weight.sizes[0];
  A8W8_RETURN_IF_BROKEN(check_dtype(kOp, operands.weight_scale, args.weight_scale));
  A8W8_RETURN_IF_BROKEN(check_column_scale(kOp, "weight_scale", args.weight_scale, n));
  A8W8_RETURN_IF_BROKEN(check_dtype(kOp, operands.bias, args.bias));
  return args.bias ? check_vector(kOp, "bias", *args.bias, n, "n", false) : fine();
}

Status check_linear_static(const LinearStaticArgs& args, TensorDesc& desc) {
  constexpr const char* kOp = "linear_static";
  const LinearStaticOperands operands = linear_static_operands();
  A8W8_RETURN_IF_BROKEN(check_dtype(kOp, operands.x, args.x));
  A8W8_RETURN_IF_BROKEN(check_dtype(kOp, operands.weight, args.weight));
  A8W8_RETURN_IF_BROKEN(check_x_and_weight(kOp, args.x, args.weight, desc));
  const int64_t n = args.weight.sizes[0];
  A8W8_RETURN_IF_BROKEN(check_dtype(kOp, operands.input_scale, args.input_scale));
  A8W8_RETURN_IF_BROKEN(check_single(kOp, "input_scale", args.input_scale));
  A8W8_RETURN_IF_BROKEN(check_dtype(kOp, operands.input_offset, args.input_offset));
  A8W8_RETURN_IF_BROKEN(check_single(kOp, "input_offset", args.input_offset));
  A8W8_RETURN_IF_BROKEN(check_dtype(kOp, operands.deq_scale, args.deq_scale));
  A8W8_RETURN_IF_BROKEN(check_column_scale(kOp, "deq_scale", args.deq_scale, n));
  A8W8_RETURN_IF_BROKEN(check_dtype(kOp, operands.quant_bias, args.quant_bias));
  if (args.quant_bias) A8W8_RETURN_IF_BROKEN(check_vector(kOp, "quant_bias", *args.quant_bias, n, "n", false));
  A8W8_RETURN_IF_BROKEN(check_dtype(kOp, operands.bias, args.bias));
  return args.bias ? check_vector(kOp, "bias", *args.bias, n, "n", false) : fine();
}

TensorDesc infer(const LinearDynamicArgs& args) {
  TensorDesc desc;
  throw_if_error(check_linear_dynamic(args, desc));
  return desc;
}

TensorDesc infer(const LinearStaticArgs& args) {
  TensorDesc desc;
  throw_if_error(check_linear_static(args, desc));
  return desc;
}

}  // namespace a8w8
