// npu_quant_matmul: check, lower to a neutral problem, plan, run. Below this file there are no vendor's words.
#include "a8w8/quant_matmul.h"

#include <cmath>

#include "a8w8/context.h"
#include "kernels/registry.h"
#include "matmul/run_grouped.h"
#include "ops/execute.h"
#include "ops/lower_epilogue.h"
#include "ops/lower_matrices.h"
#include "runtime/scratch_layout.h"
#include "spec/quant_matmul_rules.h"
#include "spec/rules.h"
#include "tensor/read.h"

namespace a8w8 {
namespace {

constexpr const char* kOp = "npu_quant_matmul";

void run_per_group(const QuantMatmulArgs& args, const TensorView& out, ExecutionContext& ctx) {
  const MatmulSizes s = matmul_sizes(args);
  GroupedProblem p;
  p.m = s.m, p.n = s.n, p.k = s.k, p.group = (*args.group_sizes)[2];
  p.b = args.x2.data, p.b_layout = stored_weight(args).layout;
  p.out_dtype = out.dtype, p.out = out.data;

  ScratchLayout layout;
  const size_t x1_at = layout.add<std::byte>(unpacked_x1_bytes(args));
  const size_t scale_at = layout.add<float>(p.groups() * p.n), zero_at = layout.add<int32_t>(p.groups() * p.n);
  const size_t offset_at = layout.add<float>(p.groups() * p.n), row_scale_at = layout.add<float>(p.m);
  const DotKernel& dot = select_dot(ctx.isas());
  const size_t run_at = layout.add<std::byte>(static_cast<int64_t>(grouped_scratch_bytes(p, dot, ctx.num_threads())));
  std::byte* const base = ctx.scratch(layout.bytes());
  float* const scale = ScratchLayout::at<float>(base, scale_at);
  float* const offset = ScratchLayout::at<float>(base, offset_at);
  float* const row_scale = ScratchLayout::at<float>(base, row_scale_at);
  int32_t* const zero = ScratchLayout::at<int32_t>(base, zero_at);
  read_floats(args.scale, scale);
  read_floats(*args.offset, offset);
  read_floats(*args.pertoken_scale, row_scale);
  // Zero points are whole numbers in float16; a fraction is dropped, NaN and infinity, which mean nothing, are zero.
  for (int64_t i = 0; i < p.groups() * p.n; ++i)
    zero[i] = std::isfinite(offset[i]) ? static_cast<int32_t>(offset[i]) : 0;
  p.a = int8_x1(args, base + x1_at);
  p.scale = scale, p.zero = zero, p.row_scale = row_scale;
  run_grouped(p, dot, base + run_at, ctx);
}

void run_per_channel(const QuantMatmulArgs& args, const TensorView& out, ExecutionContext& ctx) {
  const StoredWeight weight = stored_weight(args);
  GemmProblem problem = lower_matrices(args, weight, out.sizes);
  const Plan plan = make_plan(problem, kernels_for(weight, ctx.isas()), ctx.num_threads(), cache_sizes());

  ScratchLayout layout;
  const EpilogueOperands operands(args, problem.n, problem.m, layout);
  const size_t x1_at = layout.add<std::byte>(unpacked_x1_bytes(args));
  const size_t run_at = layout.add<std::byte>(static_cast<int64_t>(plan.scratch_bytes()));
  std::byte* const base = ctx.scratch(layout.bytes());
  problem.a = int8_x1(args, base + x1_at);
  execute(kOp, plan, problem, operands.lower(base, out.data), base + run_at, ctx);
}

}  // namespace

void quant_matmul(const QuantMatmulArgs& args, const TensorView& out, ExecutionContext& ctx, Product product) {
  TensorDesc desc;
  throw_if_error(check_quant_matmul(args, product, desc));
  throw_if_error(check_output(kOp, "out", out, desc));
  throw_if_error(check_readable(kOp, {{"x1", args.x1},
                                      {"x2", args.x2},
                                      {"scale", args.scale},
                                      {"offset", args.offset},
                                      {"pertoken_scale", args.pertoken_scale},
                                      {"bias", args.bias}}));
  is_per_group(args) ? run_per_group(args, out, ctx) : run_per_channel(args, out, ctx);
}

}  // namespace a8w8
