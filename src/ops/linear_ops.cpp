// linear_dynamic and linear_static: quantize the rows of x into scratch, then one integer product.
#include "a8w8/linear_ops.h"

#include <bit>

#include "a8w8/context.h"
#include "ops/execute.h"
#include "quant/quantize_rows.h"
#include "runtime/scratch_layout.h"
#include "spec/linear_rules.h"
#include "spec/rules.h"
#include "tensor/read.h"

namespace a8w8 {
namespace {

// x (..., k) as int8 rows, times weight (n, k).
GemmProblem lower_problem(const ConstTensorView& x, const ConstTensorView& weight) {
  GemmProblem p;
  p.n = weight.sizes[0], p.k = weight.sizes[1], p.m = x.numel() / p.k;
  p.a_row_stride = p.k, p.a_k_stride = 1;
  p.b = static_cast<const int8_t*>(weight.data), p.b_n_stride = weight.strides[0], p.b_k_stride = weight.strides[1];
  return p;
}

// Where everything lies in the scratch of one call.
struct Buffers {
  Buffers(const ConstTensorView& x, const GemmProblem& p, const Plan& plan) : copies_x(!has_dense_rows(x)) {
    x_q = layout.add<int8_t>(p.m * p.k);
    row_scale = layout.add<float>(p.m);
    scale = layout.add<float>(p.n);
    words = layout.add<int64_t>(p.n);
    bias = layout.add<int32_t>(p.n);  // int32 or float32, both four bytes
    x_copy = layout.add<std::byte>(copies_x ? x.numel() * static_cast<int64_t>(dtype_size(x.dtype)) : 0);
    run = layout.add<std::byte>(static_cast<int64_t>(plan.scratch_bytes()));
  }

  template <class T>
  T* at(size_t offset) const {
    return ScratchLayout::at<T>(base, offset);
  }
  ConstTensorView dense(const ConstTensorView& x) const { return copies_x ? copy_dense(x, base + x_copy) : x; }

  ScratchLayout layout;
  bool copies_x;
  size_t x_q, row_scale, scale, words, bias, x_copy, run;
  std::byte* base = nullptr;
};

// deq_scale as float32: a float as it is; of an int64 the low 32 bits, which serves the checkpoints' plain form and
// npu_trans_quant_param's words alike.
void read_deq_scale(const ConstTensorView& deq_scale, int64_t* words, float* scale) {
  if (deq_scale.dtype != DType::kI64) return read_floats(deq_scale, scale);
  read_ints(deq_scale, words);
  for (int64_t j = 0; j < deq_scale.numel(); ++j) scale[j] = std::bit_cast<float>(static_cast<uint32_t>(words[j]));
}

float read_float(const ConstTensorView& view) {
  float value;
  read_floats(view, &value);
  return value;
}

}  // namespace

void linear_dynamic(const LinearDynamicArgs& args, const TensorView& out, ExecutionContext& ctx) {
  TensorDesc desc;
  throw_if_error(check_linear_dynamic(args, desc));
  throw_if_error(check_output("linear_dynamic", "out", out, desc));
  if (args.x.numel() == 0) return;

  GemmProblem problem = lower_problem(args.x, args.weight);
  const Plan plan = make_plan(problem, choose_kernels(ctx.isas()), ctx.num_threads());
  Buffers buffers(args.x, problem, plan);
  buffers.base = ctx.scratch(buffers.layout.bytes());

  int8_t* const x_q = buffers.at<int8_t>(buffers.x_q);
  float* const row_scale = buffers.at<float>(buffers.row_scale);
  float* const scale = buffers.at<float>(buffers.scale);
  dynamic_quant_rows(buffers.dense(args.x), nullptr, x_q, row_scale, ctx);
  read_floats(args.weight_scale, scale);

  EpilogueDesc epilogue;
  epilogue.scale = scale, epilogue.row_scale = row_scale;
  epilogue.out_dtype = desc.dtype, epilogue.out = out.data;
  if (args.bias) {
    float* const bias = buffers.at<float>(buffers.bias);
    read_floats(*args.bias, bias);
    epilogue.bias_f32 = bias;
  }
  problem.a = x_q;
  execute("linear_dynamic", plan, problem, epilogue, buffers.base + buffers.run, ctx);
}

void linear_static(const LinearStaticArgs& args, const TensorView& out, ExecutionContext& ctx) {
  TensorDesc desc;
  throw_if_error(check_linear_static(args, desc));
  throw_if_error(check_output("linear_static", "out", out, desc));
  if (args.x.numel() == 0) return;

  GemmProblem problem = lower_problem(args.x, args.weight);
  const Plan plan = make_plan(problem, choose_kernels(ctx.isas()), ctx.num_threads());
  Buffers buffers(args.x, problem, plan);
  buffers.base = ctx.scratch(buffers.layout.bytes());

  int8_t* const x_q = buffers.at<int8_t>(buffers.x_q);
  float* const scale = buffers.at<float>(buffers.scale);
  const float input_scale = read_float(args.input_scale), input_offset = read_float(args.input_offset);
  StaticScales scales;
  scales.scale = &input_scale, scales.zero_point = &input_offset;
  quantize_rows(buffers.dense(args.x), scales, x_q, ctx);
  read_deq_scale(args.deq_scale, buffers.at<int64_t>(buffers.words), scale);

  EpilogueDesc epilogue;
  epilogue.scale = scale;
  epilogue.out_dtype = desc.dtype, epilogue.out = out.data;
  if (args.quant_bias) {
    int32_t* const bias = buffers.at<int32_t>(buffers.bias);
    read_ints(*args.quant_bias, bias);
    epilogue.bias_i32 = bias;
  }
  problem.a = x_q;
  execute("linear_static", plan, problem, epilogue, buffers.base + buffers.run, ctx);
}

}  // namespace a8w8
