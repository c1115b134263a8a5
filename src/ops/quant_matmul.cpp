// npu_quant_matmul: check, lower to a neutral problem, plan, run. Below this file there are no vendor's words.
#include "a8w8/quant_matmul.h"

#include "a8w8/context.h"
#include "a8w8/quant_param.h"
#include "ops/execute.h"
#include "runtime/scratch_layout.h"
#include "spec/quant_matmul_rules.h"
#include "spec/rules.h"
#include "tensor/read.h"

namespace a8w8 {
namespace {

// The batch dimensions of the result with the strides of both operands; 0 where one is broadcast.
void lower_batch(const QuantMatmulArgs& args, const Dims& out, GemmProblem& p) {
  const int rank = out.rank() - 2;
  const auto stride_of = [&](const ConstTensorView& x, int i) {
    const int at = i - (out.rank() - x.rank());
    return at < 0 || x.sizes[at] == 1 ? 0 : x.strides[at];
  };
  for (int i = 0; i < rank; ++i) {
    if (out[i] != 1) p.batch[p.batch_rank++] = {out[i], stride_of(args.x1, i), stride_of(args.x2, i)};
  }
}

// A batch of activations against one weight is one taller matrix, if the rows of x1 follow each other at one stride.
void fold_batch_into_rows(GemmProblem& p) {
  if (p.m == 1 && p.batch_rank > 0)
    p.a_row_stride = p.batch[p.batch_rank - 1].a_stride;  // a single row has no stride of its own
  int64_t rows = p.m;
  for (int i = p.batch_rank - 1; i >= 0; --i) {
    if (p.batch[i].b_stride != 0 || p.batch[i].a_stride != rows * p.a_row_stride) return;
    rows *= p.batch[i].size;
  }
  p.m = rows;
  p.batch_rank = 0;
}

GemmProblem lower_problem(const QuantMatmulArgs& args, const Dims& out) {
  GemmProblem p;
  p.m = args.x1.sizes[-2], p.k = args.x1.sizes[-1], p.n = args.x2.sizes[-1];
  p.a = static_cast<const int8_t*>(args.x1.data), p.a_row_stride = args.x1.strides[-2],
  p.a_k_stride = args.x1.strides[-1];
  p.b = static_cast<const int8_t*>(args.x2.data), p.b_k_stride = args.x2.strides[-2],
  p.b_n_stride = args.x2.strides[-1];
  lower_batch(args, out, p);
  return p;
}

// Scales, offsets and biases as the epilogue wants them: dense, widened, one a column (or row).
class EpilogueOperands {
 public:
  EpilogueOperands(const QuantMatmulArgs& args, int64_t n, int64_t rows, ScratchLayout& layout)
      : args_(args), n_(n), rows_(rows), bias_count_(args.bias ? args.bias->numel() : 0) {
    scale_at_ = layout.add<float>(n);
    offset_at_ = layout.add<int32_t>(n);
    bias_at_ = layout.add<int32_t>(bias_count_);  // int32 or float32, both four bytes
    row_scale_at_ = layout.add<float>(args.pertoken_scale ? rows : 0);
    words_at_ = layout.add<int64_t>(n);  // packed scales, or else the float offsets
  }

  EpilogueDesc lower(std::byte* base, void* out) const {
    EpilogueDesc e;
    e.out_dtype = args_.output_dtype, e.out = out;
    lower_scale(base, e);
    if (args_.pertoken_scale) e.row_scale = lower_row_scale(base);
    if (args_.bias) lower_bias(base, e);
    return e;
  }

 private:
  void lower_scale(std::byte* base, EpilogueDesc& e) const {
    if (args_.output_dtype == DType::kI32) return;  // the scale is checked but takes no part
    float* scale = ScratchLayout::at<float>(base, scale_at_);
    int32_t* offset = ScratchLayout::at<int32_t>(base, offset_at_);
    e.scale = scale;
    if (args_.output_dtype == DType::kI8) e.offset = offset;
    if (args_.scale.dtype == DType::kI64) {
      int64_t* words = ScratchLayout::at<int64_t>(base, words_at_);
      read_ints(args_.scale, words);
      decode(words, args_.scale.numel(), scale, offset);
    } else {
      read_floats(args_.scale, scale);
      if (packs_float_scale(args_)) pack_and_decode(base, scale, offset);
    }
    for (int64_t j = args_.scale.numel(); j < n_; ++j) scale[j] = scale[0];
  }

  // An int64 scale: the offset argument is not read, the packed one counts.
  void decode(const int64_t* words, int64_t count, float* scale, int32_t* offset) const {
    for (int64_t j = 0; j < count; ++j) {
      const QuantParam param = decode_quant_param(words[j]);
      scale[j] = param.scale, offset[j] = param.offset;
    }
    for (int64_t j = count; j < n_; ++j) offset[j] = offset[0];
  }

  // What npu_trans_quant_param(scale, offset) would store, read back: the scale loses 13 bits, the offset becomes an
  // integer.
  void pack_and_decode(std::byte* base, float* scale, int32_t* offset) const {
    for (int64_t j = 0; j < args_.scale.numel(); ++j) scale[j] = decode_quant_param(encode_quant_param(scale[j])).scale;
    float* given = ScratchLayout::at<float>(base, words_at_);
    const int64_t count = args_.offset ? args_.offset->numel() : 1;
    given[0] = 0.0f;
    if (args_.offset) read_floats(*args_.offset, given);
    for (int64_t j = 0; j < count; ++j) offset[j] = decode_quant_param(encode_quant_param(1.0f, given[j])).offset;
    for (int64_t j = count; j < n_; ++j) offset[j] = offset[0];
  }

  // One a row of the problem: where a batch was folded into rows, every matrix of it has the same ones.
  const float* lower_row_scale(std::byte* base) const {
    float* row_scale = ScratchLayout::at<float>(base, row_scale_at_);
    read_floats(*args_.pertoken_scale, row_scale);
    const int64_t m = args_.pertoken_scale->numel();
    for (int64_t i = m; i < rows_; ++i) row_scale[i] = row_scale[i - m];
    return row_scale;
  }

  void lower_bias(std::byte* base, EpilogueDesc& e) const {
    const bool batched = args_.bias->rank() == 3 && args_.bias->sizes[0] > 1;
    e.bias_batch_stride = batched ? n_ : 0;
    if (args_.bias->dtype == DType::kI32) {
      int32_t* bias = ScratchLayout::at<int32_t>(base, bias_at_);
      read_ints(*args_.bias, bias);
      e.bias_i32 = bias;
    } else {
      float* bias = ScratchLayout::at<float>(base, bias_at_);
      read_floats(*args_.bias, bias);
      e.bias_f32 = bias;
    }
  }

  const QuantMatmulArgs& args_;
  int64_t n_, rows_, bias_count_;
  size_t scale_at_, offset_at_, bias_at_, row_scale_at_, words_at_;
};

}  // namespace

void quant_matmul(const QuantMatmulArgs& args, const TensorView& out, ExecutionContext& ctx, Product product) {
  TensorDesc desc;
  throw_if_error(check_quant_matmul(args, product, desc));
  throw_if_error(check_output("npu_quant_matmul", "out", out, desc));
  throw_if_error(check_readable("npu_quant_matmul", {{"x1", args.x1},
                                                     {"x2", args.x2},
                                                     {"scale", args.scale},
                                                     {"offset", args.offset},
                                                     {"pertoken_scale", args.pertoken_scale},
                                                     {"bias", args.bias}}));

  GemmProblem problem = lower_problem(args, desc.sizes);
  const bool one_bias = !args.bias || args.bias->numel() == problem.n;
  if (one_bias) fold_batch_into_rows(problem);
  const Plan plan = make_plan(problem, choose_kernels(ctx.isas()), ctx.num_threads());

  ScratchLayout layout;
  const EpilogueOperands operands(args, problem.n, problem.m, layout);
  const size_t run_at = layout.add<std::byte>(static_cast<int64_t>(plan.scratch_bytes()));
  std::byte* const base = ctx.scratch(layout.bytes());
  execute("npu_quant_matmul", plan, problem, operands.lower(base, out.data), base + run_at, ctx);
}

}  // namespace a8w8
