// The npu:: ops. Their schemas are the vendor's, to the letter.
#include <torch/library.h>

#include <string>
#include <tuple>
#include <utility>

#include "a8w8/quant_matmul.h"
#include "a8w8/quant_param.h"
#include "a8w8/quantize.h"
#include "a8w8/status.h"
#include "convert.h"
#include "npu_calls.h"
#include "register.h"

namespace a8w8::torch_adapter {
namespace {

// Parameters of the schemas that these operations do not take: given at all, they are refused.
[[noreturn]] void refuse(const char* op, const std::string& what) {
  throw Error(ErrorCode::kUnsupported, std::string(op) + ": " + what);
}

template <Mode mode>
at::Tensor quant_matmul(const at::Tensor& x1, const at::Tensor& x2, const at::Tensor& scale, OptionalTensor offset,
                        OptionalTensor pertoken_scale, OptionalTensor bias, OptionalInt output_dtype,
                        OptionalInt x1_dtype, OptionalInt x2_dtype, OptionalInt pertoken_scale_dtype,
                        OptionalInt scale_dtype, at::OptionalIntArrayRef group_sizes, OptionalTensor y_scale) {
  constexpr const char* kOp = "npu_quant_matmul";
  for (const auto& [name, given] :
       {std::pair("x1_dtype", x1_dtype.has_value()), std::pair("x2_dtype", x2_dtype.has_value()),
        std::pair("pertoken_scale_dtype", pertoken_scale_dtype.has_value()),
        std::pair("scale_dtype", scale_dtype.has_value()), std::pair("y_scale", y_scale.has_value())}) {
    if (given) refuse(kOp, std::string(name) + " is given, but must be None: it is not supported on these products");
  }
  return with_operands(kOp, mode, [&](Operands& operands) {
    QuantMatmulArgs args{
        .x1 = operands.view(x1, "x1", Free::kRows),
        .x2 = operands.view(x2, "x2", Free::kBatch),
        .scale = operands.view(scale, "scale"),
        .offset = operands.view(offset, "offset"),
        .pertoken_scale = operands.view(pertoken_scale, "pertoken_scale", Free::kAll, 1),
        .bias = operands.view(bias, "bias", Free::kBatch),
    };
    if (output_dtype) args.output_dtype = dtype_argument(kOp, "output_dtype", *output_dtype);
    if (group_sizes) args.group_sizes = Dims(group_sizes->data(), static_cast<int64_t>(group_sizes->size()));
    const at::Tensor out = operands.empty(infer(args));
    if constexpr (mode == Mode::kCpu) a8w8::quant_matmul(args, output_view(out), current_context());
    return out;
  });
}

template <Mode mode>
at::Tensor trans_quant_param(const at::Tensor& scale, OptionalTensor offset, OptionalInt round_mode) {
  return with_operands("npu_trans_quant_param", mode, [&](Operands& operands) {
    const TransQuantParamArgs args{operands.view(scale, "scale", Free::kAll),
                                   operands.view(offset, "offset", Free::kAll), round_mode.value_or(0)};
    const at::Tensor out = operands.empty(infer(args));
    if constexpr (mode == Mode::kCpu) a8w8::trans_quant_param(args, output_view(out));
    return out;
  });
}

template <Mode mode>
at::Tensor quantize(const at::Tensor& self, const at::Tensor& scales, OptionalTensor zero_points, int64_t dtype,
                    int64_t axis, bool div_mode) {
  constexpr const char* kOp = "npu_quantize";
  return with_operands(kOp, mode, [&](Operands& operands) {
    QuantizeArgs args;
    // Where the dimension that the scales run along stands, counted from the last.
    const int64_t along = div_mode ? (axis < 0 ? -axis : self.dim() - axis) - 1 : axis == -2;
    const int64_t place = scales.dim() == 1 ? along : 0;
    args.x = operands.view(self, "x", Free::kAll), args.scales = operands.view(scales, "scales", Free::kAll, place);
    args.zero_points = operands.view(zero_points, "zero_points", Free::kAll, place);
    args.int4 = is_quint4x2(dtype);
    if (!args.int4) args.dtype = dtype_argument(kOp, "dtype", dtype, true);
    args.axis = axis, args.div_mode = div_mode;
    const at::Tensor out = operands.empty(infer(args));
    if constexpr (mode == Mode::kCpu) a8w8::quantize(args, output_view(out), current_context());
    return out;
  });
}

template <Mode mode>
std::tuple<at::Tensor, at::Tensor> dynamic_quant(const at::Tensor& input, OptionalTensor smooth_scales,
                                                 OptionalTensor group_index, OptionalInt dst_type,
                                                 c10::string_view quant_mode, double dst_type_max) {
  constexpr const char* kOp = "npu_dynamic_quant";
  if (quant_mode != "pertoken")
    refuse(kOp, "quant_mode is \"" + std::string(quant_mode) + "\", but must be \"pertoken\"");
  if (dst_type_max != 0.0) refuse(kOp, "dst_type_max is " + std::to_string(dst_type_max) + ", but must be 0");
  const bool int4 = dst_type && is_quint4x2(*dst_type);
  if (dst_type && !int4) {
    const DType dtype = dtype_argument(kOp, "dst_type", *dst_type);
    if (dtype != DType::kI8)
      refuse(kOp, std::string("dst_type is ") + dtype_name(dtype) + ", but must be None, int8 or quint4x2");
  }
  return with_operands(kOp, mode, [&](Operands& operands) {
    const DynamicQuantArgs args{operands.view(input, "input", Free::kAll),
                                operands.view(smooth_scales, "smooth_scales", Free::kAll),
                                operands.view(group_index, "group_index", Free::kAll, 1), int4};
    const DynamicQuantDesc desc = infer(args);
    const at::Tensor y = operands.empty(desc.y), scale = operands.empty(desc.scale);
    if constexpr (mode == Mode::kCpu) a8w8::dynamic_quant(args, output_view(y), output_view(scale), current_context());
    return std::tuple(y, scale);
  });
}

template <Mode mode>
void implement(torch::Library& m) {
  constexpr c10::DispatchKey key = mode == Mode::kCpu ? c10::DispatchKey::CPU : c10::DispatchKey::Meta;
  implement_once(m, key, "npu_quant_matmul", quant_matmul<mode>);
  implement_once(m, key, "npu_trans_quant_param", trans_quant_param<mode>);
  implement_once(m, key, "npu_quantize", quantize<mode>);
  implement_once(m, key, "npu_dynamic_quant", dynamic_quant<mode>);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(npu, m) {
  define_once(
      m,
      "npu_quant_matmul(Tensor x1, Tensor x2, Tensor scale, *, Tensor? offset=None, Tensor? pertoken_scale=None, "
      "Tensor? bias=None, int? output_dtype=None, int? x1_dtype=None, int? x2_dtype=None, "
      "int? pertoken_scale_dtype=None, int? scale_dtype=None, int[]? group_sizes=None, Tensor? y_scale=None) -> "
      "Tensor");
  define_once(m, "npu_trans_quant_param(Tensor scale, Tensor? offset=None, int? round_mode=0) -> Tensor");
  define_once(m,
              "npu_quantize(Tensor self, Tensor scales, Tensor? zero_points, int dtype, int axis=1, "
              "bool div_mode=True) -> Tensor");
  define_once(m,
              "npu_dynamic_quant(Tensor input, *, Tensor? smooth_scales=None, Tensor? group_index=None, "
              "int? dst_type=None, str quant_mode=\"pertoken\", float dst_type_max=0.0) -> (Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(npu, CPU, m) { implement<Mode::kCpu>(m); }
TORCH_LIBRARY_IMPL(npu, Meta, m) { implement<Mode::kMeta>(m); }

}  // namespace a8w8::torch_adapter
