// Random problems of quant_matmul: every row of both products' tables, batches, strides, int4, groups of k, weights in
// blocks and packed ones.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "a8w8/format.h"
#include "a8w8/op_table.h"
#include "a8w8/packed_weight.h"
#include "a8w8/quant_matmul.h"
#include "cli/verify_operand.h"
#include "cli/verify_problem.h"
#include "ref/reference.h"

namespace a8w8::cli {
namespace {

enum class Form { kPlain, kBlocks, kPacked };

struct Matmul {
  Operand x1, x2, scale;
  std::optional<Operand> offset = std::nullopt, pertoken_scale = std::nullopt, bias = std::nullopt;
  DType output = DType::kBF16;
  std::optional<Dims> group_sizes = std::nullopt;
  Product product = Product::kAtlasA2;
  std::vector<std::byte> blocks = {};  // x2 in FRACTAL_NZ

  QuantMatmulArgs args() const {
    const auto view = [](const std::optional<Operand>& o) {
      return o ? std::optional<ConstTensorView>(o->view()) : std::nullopt;
    };
    return {.x1 = x1.view(),
            .x2 = x2.view(),
            .scale = scale.view(),
            .offset = view(offset),
            .pertoken_scale = view(pertoken_scale),
            .bias = view(bias),
            .output_dtype = output,
            .group_sizes = group_sizes};
  }
};

// Blocks are made of the tensor as it is stored: of a transposed view, of what it is the view of.
ConstTensorView as_blocks(const Operand& x2, std::vector<std::byte>& blocks) {
  const ConstTensorView stored = x2.swapped() ? x2.view().transposed() : x2.view();
  const TensorDesc desc = fractal_nz_desc(stored, stored.dtype == DType::kI32 ? 8 : 0);
  blocks.resize(static_cast<size_t>(desc.bytes()));
  to_fractal_nz(stored, TensorView(blocks.data(), desc.dtype, desc.sizes));
  const ConstTensorView view = fractal_nz_view(blocks.data(), stored.dtype, stored.sizes);
  return x2.swapped() ? view.transposed() : view;
}

std::string describe(const Matmul& call, Form form, int64_t m, int64_t n, int64_t k) {
  const QuantMatmulArgs args = call.args();
  std::string text = "m=" + std::to_string(m) + " n=" + std::to_string(n) + " k=" + std::to_string(k) + ", x1 " +
                     args.x1.sizes.str() + " " + dtype_name(args.x1.dtype) + ", x2 " + args.x2.sizes.str() +
                     (call.x2.swapped() ? " transposed" : "") +
                     (form == Form::kBlocks   ? " in FRACTAL_NZ"
                      : form == Form::kPacked ? " packed"
                                              : "") +
                     ", " + dtype_name(args.scale.dtype) + " scale " + args.scale.sizes.str();
  if (args.offset) text += ", offset";
  if (args.pertoken_scale) text += ", pertoken_scale";
  if (args.bias) text += std::string(", ") + dtype_name(args.bias->dtype) + " bias";
  if (args.group_sizes) text += ", groups of " + std::to_string((*args.group_sizes)[2]);
  return text + ", output " + dtype_name(call.output);
}

Problem problem_of(Matmul&& made, Form form, int64_t m, int64_t n, int64_t k) {
  const auto call = std::make_shared<Matmul>(std::move(made));
  QuantMatmulArgs args = call->args();
  Problem problem;
  problem.what = describe(*call, form, m, n, k);
  problem.descs = {infer(args, call->product)};
  problem.reference = [call, args](std::span<Result> out) { ref::quant_matmul(args, out[0].view()); };
  QuantMatmulArgs as_run = args;
  if (form == Form::kBlocks) as_run.x2 = as_blocks(call->x2, call->blocks);
  problem.run = [call, as_run, form](ExecutionContext& ctx, std::span<Result> out) {
    if (form != Form::kPacked) return quant_matmul(as_run, out[0].view(), ctx, call->product);
    const PackedWeight packed = PackedWeight::pack(as_run.x2.transposed(), ctx);
    QuantMatmulArgs with_packed = as_run;
    with_packed.x2 = packed.view().transposed();
    quant_matmul(with_packed, out[0].view(), ctx, call->product);
  };
  return problem;
}

Dims with_matrix(Dims batch, int64_t rows, int64_t cols) {
  batch.push_back(rows);
  batch.push_back(cols);
  return batch;
}

Operand vector(DType dtype, int64_t n, float lo, float hi, Random& random) {
  Operand v(dtype, {n}, random);
  v.fill_uniform(lo, hi, random);
  return v;
}

struct Sizes {
  int64_t m, n, k;
};

// The reference takes some ten nanoseconds a product; these sizes keep a problem at about a millisecond.
Sizes random_sizes(Random& random) {
  if (random.one_in(60)) return {random.between(1, 3), random.between(1, 4), random.between(4000, 65535)};
  Sizes s{random.one_in(4) ? 1 : random.size(70), random.size(200), random.size(300)};
  s.k = std::max<int64_t>(1, std::min(s.k, 200000 / (s.m * s.n)));
  return s;
}

const QuantMatmulRow& random_row(Product product, bool int4, Random& random) {
  std::vector<const QuantMatmulRow*> rows;
  for (const QuantMatmulRow& row : quant_matmul_table(product)) {
    if (!row.per_group && row.x.contains(int4 ? DType::kI32 : DType::kI8)) rows.push_back(&row);
  }
  return *rows[static_cast<size_t>(random.between(0, static_cast<int64_t>(rows.size()) - 1))];
}

// Everything of a call but the matrices.
Matmul with_vectors(Operand&& x1, Operand&& x2, const QuantMatmulRow& row, int64_t m, int64_t n, Random& random) {
  const DType scale_dtype = *random.pick(row.scale);
  Operand scale(scale_dtype, {random.one_in(4) ? 1 : n}, random);
  scale.fill_scales(random);
  Matmul call{std::move(x1), std::move(x2), std::move(scale)};
  if (auto t = random.pick(row.offset)) call.offset = vector(*t, n, -300, 300, random);
  if (auto t = random.pick(row.pertoken_scale)) call.pertoken_scale = vector(*t, m, 0, 2, random);
  if (auto t = random.pick(row.bias)) call.bias = vector(*t, n, -20000, 20000, random);
  call.output = *random.pick(row.output);
  return call;
}

Problem int8_problem(Form form, Random& random) {
  const Product product = random.one_in(4) ? Product::kAtlasInference : Product::kAtlasA2;
  Sizes s = random_sizes(random);
  // Leading dimensions of x1 and x2, which broadcast.
  const std::pair<Dims, Dims> batches[] = {{{2}, {2}}, {{3}, {}}, {{2}, {1}}, {{1}, {3}}, {{2, 1}, {2}}, {{}, {2}}};
  std::pair<Dims, Dims> batch;
  if (random.one_in(3)) batch = batches[random.between(0, 5)], s.k = std::min<int64_t>(s.k, 64);
  if (form == Form::kPacked) batch.second = Dims();
  Operand x1(DType::kI8, with_matrix(batch.first, s.m, s.k), random, random.one_in(4));
  Operand x2(DType::kI8, with_matrix(batch.second, s.k, s.n), random, !random.one_in(4));
  x1.fill_bytes(random);
  x2.fill_bytes(random);
  Matmul call = with_vectors(std::move(x1), std::move(x2), random_row(product, false, random), s.m, s.n, random);
  call.product = product;
  return problem_of(std::move(call), form, s.m, s.n, s.k);
}

// Words of eight int4 along k, or of x2 (not of packed weights) along n.
Problem words_problem(Form form, Random& random) {
  Sizes s = random_sizes(random);
  const bool along_k = form == Form::kPacked || !random.one_in(4);
  const int64_t words = std::clamp<int64_t>((s.k + 7) / 8, 1, 4096);
  if (!along_k) s.n = (s.n + 7) / 8 * 8;
  Operand x1(DType::kI32, {s.m, words}, random);
  Operand x2(DType::kI32, along_k ? Dims({words, s.n}) : Dims({8 * words, s.n / 8}), random, along_k);
  x1.fill_bytes(random);
  x2.fill_bytes(random);
  return problem_of(
      with_vectors(std::move(x1), std::move(x2), random_row(Product::kAtlasA2, true, random), s.m, s.n, random), form,
      s.m, s.n, 8 * words);
}

}  // namespace

Problem matmul_problem(uint64_t seed) {
  Random random(seed);
  return int8_problem(Form::kPlain, random);
}

Problem int4_problem(uint64_t seed) {
  Random random(seed);
  return words_problem(Form::kPlain, random);
}

Problem blocks_problem(uint64_t seed) {
  Random random(seed);
  return random.one_in(4) ? words_problem(Form::kBlocks, random) : int8_problem(Form::kBlocks, random);
}

Problem packed_problem(uint64_t seed) {
  Random random(seed);
  return random.one_in(4) ? words_problem(Form::kPacked, random) : int8_problem(Form::kPacked, random);
}

Problem groups_problem(uint64_t seed) {
  Random random(seed);
  const int64_t m = random.size(30), n = random.size(100), groups = random.between(1, 4);
  const int64_t group = 8 * random.between(1, 12), words = groups * group / 8;
  Operand x1(DType::kI32, {m, words}, random), x2(DType::kI32, {words, n}, random, true);
  x1.fill_bytes(random);
  x2.fill_bytes(random);
  Operand scale(DType::kF32, {groups, n}, random), offset(DType::kF16, {groups, n}, random);
  scale.fill_scales(random);
  for (int64_t i = 0; i < groups * n; ++i) offset.set(i, static_cast<float>(random.between(-8, 8)));
  Operand per_row(DType::kF32, random.one_in(2) ? Dims({m}) : Dims({m, 1}), random);
  per_row.fill_uniform(0, 2, random);
  Matmul call{std::move(x1), std::move(x2), std::move(scale)};
  call.offset = std::move(offset), call.pertoken_scale = std::move(per_row);
  call.output = random.one_in(2) ? DType::kF16 : DType::kBF16;
  call.group_sizes = Dims({1, 1, group});
  return problem_of(std::move(call), Form::kPlain, m, n, words * 8);
}

}  // namespace a8w8::cli
