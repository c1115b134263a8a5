#include "a8w8/linear.h"

#include "a8w8/checkpoint.h"
#include "a8w8/status.h"
#include "base/str_cat.h"

namespace a8w8 {
namespace {

QuantMatmulArgs args_of(const LinearQuant& layer, const ConstTensorView& x) {
  if (layer.weight.rank() < 2) {
    throw Error(ErrorCode::kInvalidArgument,
                str_cat("LinearQuant: weight has shape ", layer.weight.sizes.str(), ", but must be (..., n, k)"));
  }
  QuantMatmulArgs args;
  args.x1 = x, args.x2 = layer.weight.transposed(), args.scale = layer.scale;
  args.offset = layer.offset, args.pertoken_scale = layer.pertoken_scale, args.bias = layer.bias;
  args.output_dtype = layer.output_dtype;
  return args;
}

void refuse_int32_output(const LinearA8W8Quant& layer) {
  if (layer.output_dtype != DType::kI32) return;
  throw Error(
      ErrorCode::kInvalidArgument,
      "LinearA8W8Quant: output_dtype is int32, but must be int8, float16 or bfloat16; LinearQuant allows int32");
}

}  // namespace

TensorDesc LinearQuant::infer(const ConstTensorView& x, Product product) const {
  return a8w8::infer(args_of(*this, x), product);
}

void LinearQuant::forward(const ConstTensorView& x, const TensorView& out, ExecutionContext& ctx,
                          Product product) const {
  quant_matmul(args_of(*this, x), out, ctx, product);
}

TensorDesc LinearA8W8Quant::infer(const ConstTensorView& x, Product product) const {
  refuse_int32_output(*this);
  return LinearQuant::infer(x, product);
}

void LinearA8W8Quant::forward(const ConstTensorView& x, const TensorView& out, ExecutionContext& ctx,
                              Product product) const {
  refuse_int32_output(*this);
  LinearQuant::forward(x, out, ctx, product);
}

QuantizedLinear QuantizedLinear::from_checkpoint(const Checkpoint& checkpoint, const std::string& layer,
                                                 const LayerOptions& options) {
  const LayerParameters p = checkpoint.layer(layer, options);
  QuantizedLinear linear(Dynamic{});
  if (p.scheme == LayerScheme::kDynamic) {
    linear.parameters_ = Dynamic{p.weight, *p.weight_scale, p.bias};
  } else {
    linear.parameters_ = Static{.weight = p.weight,
                                .input_scale = *p.input_scale,
                                .input_offset = *p.input_offset,
                                .deq_scale = *p.deq_scale,
                                .quant_bias = p.quant_bias,
                                .bias = p.adds_bias ? p.bias : std::nullopt,
                                .reciprocal = options.parity == Parity::kVllmAscend};
  }
  linear.owned_ = p.owned;
  return linear;
}

QuantizedLinear QuantizedLinear::from_checkpoint(const Checkpoint& checkpoint, const std::string& layer) {
  return from_checkpoint(checkpoint, layer, {});
}

const ConstTensorView& QuantizedLinear::weight() const {
  return std::visit([](const auto& p) -> const ConstTensorView& { return p.weight; }, parameters_);
}

namespace {

LinearDynamicArgs args_of(const QuantizedLinear::Dynamic& p, const ConstTensorView& x) {
  return {x, p.weight, p.weight_scale, p.bias};
}

LinearStaticArgs args_of(const QuantizedLinear::Static& p, const ConstTensorView& x) {
  return {x, p.input_scale, p.input_offset, p.weight, p.deq_scale, p.quant_bias, p.bias, p.reciprocal};
}

}  // namespace

TensorDesc QuantizedLinear::infer(const ConstTensorView& x) const {
  return std::visit([&](const auto& p) { return a8w8::infer(args_of(p, x)); }, parameters_);
}

void QuantizedLinear::forward(const ConstTensorView& x, const TensorView& out, ExecutionContext& ctx) const {
  if (const Dynamic* p = std::get_if<Dynamic>(&parameters_)) {
    linear_dynamic(args_of(*p, x), out, ctx);
  } else {
    linear_static(args_of(std::get<Static>(parameters_), x), out, ctx);
  }
}

}  // namespace a8w8
