// linear_dynamic and linear_static: quantize the rows of x into scratch, then one integer product.
#include "a8w8/linear_ops.h"

#include <algorithm>
#include <bit>

#include "a8w8/context.h"
#include "a8w8/half.h"
#include "ops/execute.h"
#include "ops/lower_matrices.h"
#include "quant/quantize_rows.h"
#include "runtime/scratch_layout.h"
#include "spec/linear_rules.h"
#include "spec/rules.h"
#include "tensor/read.h"

namespace a8w8 {
namespace {

// x (..., k) as int8 rows, times weight (n, k).
GemmProblem lower_problem(const ConstTensorView& x, const ConstTensorView& weight, const StoredWeight& stored) {
  GemmProblem p;
  p.n = weight.sizes[0], p.k = weight.sizes[1], p.m = x.numel() / p.k;
  p.a_row_stride = p.k, p.a_k_stride = 1;
  lower_weight(weight.transposed(), stored, p);
  return p;
}

// What both forms share: the problem, its plan, and where everything lies in the context's scratch. The caller fills
// x_q and the epilogue, whose arrays have room in row_scale, scale and words.
class LinearCall {
 public:
  LinearCall(const LinearCall&) = delete;  // the problem refers to the weight
  LinearCall& operator=(const LinearCall&) = delete;
  LinearCall(const ConstTensorView& x, const ConstTensorView& weight, const TensorView& out, ExecutionContext& ctx)
      : x_(x),
        ctx_(ctx),
        weight_(stored_weight(weight.transposed(), false, false)),
        problem_(lower_problem(x, weight, weight_)) {
    plan_ = make_plan(problem_, kernels_for(weight_, ctx.isas()), ctx.num_threads(), cache_sizes());
    const int64_t m = problem_.m, n = problem_.n;
    const int64_t copied_bytes = has_dense_rows(x) ? 0 : x.numel() * static_cast<int64_t>(dtype_size(x.dtype));
    ScratchLayout layout;
    const size_t x_q_at = layout.add<int8_t>(m * problem_.k), row_scale_at = layout.add<float>(m);
    const size_t scale_at = layout.add<float>(n), words_at = layout.add<int64_t>(n);
    const size_t copy_at = layout.add<std::byte>(copied_bytes);
    const size_t run_at = layout.add<std::byte>(static_cast<int64_t>(plan_.scratch_bytes()));

    std::byte* const base = ctx.scratch(layout.bytes());
    x_q = ScratchLayout::at<int8_t>(base, x_q_at), row_scale = ScratchLayout::at<float>(base, row_scale_at);
    scale = ScratchLayout::at<float>(base, scale_at), words = base + words_at;
    run_scratch_ = base + run_at;
    if (copied_bytes > 0) x_ = copy_dense(x, base + copy_at);
    problem_.a = x_q;
    epilogue.out_dtype = out.dtype, epilogue.out = out.data;
  }

  const ConstTensorView& x() const { return x_; }  // with dense rows
  void run(const char* op) const { execute(op, plan_, problem_, epilogue, run_scratch_, ctx_); }

  int8_t* x_q = nullptr;       // (m, k)
  float* row_scale = nullptr;  // (m)
  float* scale = nullptr;      // (n)
  std::byte* words = nullptr;  // n times eight bytes, for what else a form needs per column
  EpilogueDesc epilogue;

 private:
  ConstTensorView x_;
  ExecutionContext& ctx_;
  StoredWeight weight_;
  GemmProblem problem_;
  Plan plan_;
  std::byte* run_scratch_ = nullptr;
};

// deq_scale as float32: a float as it is; of an int64 the low 32 bits, which serves the checkpoints' plain form and
// npu_trans_quant_param's words alike.
const float* deq_scale_of(const ConstTensorView& deq_scale, int64_t* words, float* scale) {
  if (deq_scale.dtype != DType::kI64) return dense_floats(deq_scale, scale);
  read_ints(deq_scale, words);
  std::transform(words, words + deq_scale.numel(), scale,
                 [](int64_t word) { return std::bit_cast<float>(static_cast<uint32_t>(word)); });
  return scale;
}

float read_float(const ConstTensorView& view) {
  float value;
  read_floats(view, &value);
  return value;
}

float rounded_to(DType dtype, float value) {
  if (dtype == DType::kBF16) return bfloat16_to_float(float_to_bfloat16(value));
  return dtype == DType::kF16 ? half_to_float(float_to_half(value)) : value;
}

void quantize_input(const LinearStaticArgs& args, const LinearCall& call, ExecutionContext& ctx) {
  float scale = read_float(args.input_scale);
  const float offset = read_float(args.input_offset);
  const DType dtype = args.x.dtype;
  if (args.reciprocal) scale = rounded_to(dtype, 1.0f / rounded_to(dtype, scale));
  StaticScales scales;
  scales.scale = &scale, scales.zero_point = &offset, scales.divide = !args.reciprocal;
  quantize_rows(call.x(), scales, {call.x_q}, ctx);
}

}  // namespace

void linear_dynamic(const LinearDynamicArgs& args, const TensorView& out, ExecutionContext& ctx) {
  TensorDesc desc;
  throw_if_error(check_linear_dynamic(args, desc));
  throw_if_error(check_output("linear_dynamic", "out", out, desc));
  throw_if_error(check_readable(
      "linear_dynamic",
      {{"x", args.x}, {"weight", args.weight}, {"weight_scale", args.weight_scale}, {"bias", args.bias}}));
  if (args.x.numel() == 0) return;

  LinearCall call(args.x, args.weight, out, ctx);
  dynamic_quant_rows(call.x(), {}, {call.x_q}, call.row_scale, ctx);
  call.epilogue.row_scale = call.row_scale;
  call.epilogue.scale = dense_floats(args.weight_scale, call.scale);
  if (args.bias) call.epilogue.bias_f32 = dense_floats(*args.bias, reinterpret_cast<float*>(call.words));
  call.run("linear_dynamic");
}

void linear_static(const LinearStaticArgs& args, const TensorView& out, ExecutionContext& ctx) {
  TensorDesc desc;
  throw_if_error(check_linear_static(args, desc));
  throw_if_error(check_output("linear_static", "out", out, desc));
  throw_if_error(check_readable("linear_static", {{"x", args.x},
                                                  {"input_scale", args.input_scale},
                                                  {"input_offset", args.input_offset},
                                                  {"weight", args.weight},
                                                  {"deq_scale", args.deq_scale},
                                                  {"quant_bias", args.quant_bias},
                                                  {"bias", args.bias}}));
  if (args.x.numel() == 0) return;

  LinearCall call(args.x, args.weight, out, ctx);
  quantize_input(args, call, ctx);
  call.epilogue.scale = deq_scale_of(args.deq_scale, reinterpret_cast<int64_t*>(call.words), call.scale);
  // The packed scales are read by now, and both biases have room in their place.
  const auto biases = reinterpret_cast<int32_t*>(call.words);
  if (args.quant_bias) call.epilogue.bias_i32 = dense_ints(*args.quant_bias, biases);
  if (args.bias) call.epilogue.bias_f32 = dense_floats(*args.bias, reinterpret_cast<float*>(biases + desc.sizes[-1]));
  call.run("linear_static");
}

}  // namespace a8w8
