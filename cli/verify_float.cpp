// Random problems of the ops that take floats. The linear ops have no reference of their own: it is put together from
// those of quantizing and the formula in docs/numerics.md, with the reference's own rounding.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "a8w8/linear_ops.h"
#include "a8w8/packed_weight.h"
#include "a8w8/quantize.h"
#include "cli/verify_operand.h"
#include "cli/verify_problem.h"
#include "ref/element.h"
#include "ref/reference.h"

namespace a8w8::cli {
namespace {

constexpr DType kFloatTypes[] = {DType::kF32, DType::kF16, DType::kBF16};

DType any_float(Random& random) { return kFloatTypes[random.between(0, 2)]; }

std::string name_sizes(const char* what, const ConstTensorView& x) {
  return std::string(what) + " " + x.sizes.str() + " " + dtype_name(x.dtype);
}

// Activations: mostly of one size, some far larger ones, and now and then what is no number.
Operand activations(const Dims& sizes, Random& random, bool swapped = false) {
  Operand x(any_float(random), sizes, random, swapped);
  const float range = random.real(0.1f, 40.0f);
  x.fill_uniform(-range, range, random);
  if (random.one_in(3)) x.set(random.between(0, x.numel() - 1), 30 * range);
  if (random.one_in(8)) x.add_specials(random);
  return x;
}

// --- linear_dynamic, linear_static ---

struct Linear {
  Operand x, weight;
  std::optional<Operand> weight_scale = std::nullopt, bias = std::nullopt;         // dynamic
  std::optional<Operand> input_scale = std::nullopt, input_offset = std::nullopt;  // static
  std::optional<Operand> deq_scale = std::nullopt, quant_bias = std::nullopt;
  bool packed = false, reciprocal = false;

  int64_t m() const { return x.numel() / k(); }
  int64_t n() const { return weight.view().sizes[0]; }
  int64_t k() const { return weight.view().sizes[1]; }
  LinearDynamicArgs dynamic_args(const ConstTensorView& w) const {
    LinearDynamicArgs args{.x = x.view(), .weight = w, .weight_scale = weight_scale->view()};
    if (bias) args.bias = bias->view();
    return args;
  }
  LinearStaticArgs static_args(const ConstTensorView& w) const {
    LinearStaticArgs args{.x = x.view(),
                          .input_scale = input_scale->view(),
                          .input_offset = input_offset->view(),
                          .weight = w,
                          .deq_scale = deq_scale->view()};
    if (quant_bias) args.quant_bias = quant_bias->view();
    if (bias) args.bias = bias->view();
    args.reciprocal = reciprocal;
    return args;
  }
};

Linear random_linear(Random& random) {
  const int64_t m = random.one_in(4) ? 1 : random.size(60), n = random.size(180);
  const int64_t k = std::max<int64_t>(1, std::min(random.size(300), 200000 / (m * n)));
  const Dims sizes = random.one_in(3) && m % 2 == 0 ? Dims({2, m / 2, k}) : Dims({m, k});
  Linear linear{activations(sizes, random), Operand(DType::kI8, {n, k}, random)};
  linear.weight.fill_bytes(random);
  linear.packed = random.one_in(2);
  return linear;
}

// Sum of products in int32 that wraps.
int32_t dot(const int8_t* x, const Operand& weight, int64_t row, int64_t k, uint32_t sum) {
  const auto* w = reinterpret_cast<const int8_t*>(weight.data()) + row * k;
  for (int64_t p = 0; p < k; ++p) sum += static_cast<uint32_t>(x[p] * w[p]);
  return static_cast<int32_t>(sum);
}

void store(const TensorView& out, int64_t i, float y) {
  auto* to = static_cast<std::byte*>(out.data) + i * static_cast<int64_t>(dtype_size(out.dtype));
  const uint16_t half = out.dtype == DType::kF16 ? ref::to_half(y) : ref::to_bfloat16(y);
  out.dtype == DType::kF32 ? std::memcpy(to, &y, sizeof y) : std::memcpy(to, &half, sizeof half);
}

float at(const ConstTensorView& v, int64_t i) { return ref::get_float(v, v.rank() == 2 ? Dims({i, 0}) : Dims({i})); }

void reference_dynamic(const Linear& linear, const TensorView& out) {
  const int64_t m = linear.m(), n = linear.n(), k = linear.k();
  std::vector<int8_t> q(static_cast<size_t>(m * k));
  std::vector<float> ps(static_cast<size_t>(m));
  const ConstTensorView x(linear.x.data(), out.dtype, {m, k});
  ref::dynamic_quant({.x = x}, TensorView(q.data(), DType::kI8, {m, k}), TensorView(ps.data(), DType::kF32, {m}));
  for (int64_t i = 0; i < m * n; ++i) {
    const int32_t sum = dot(q.data() + i / n * k, linear.weight, i % n, k, 0);
    float y = static_cast<float>(sum) * at(linear.weight_scale->view(), i % n);
    y = y * ps[static_cast<size_t>(i / n)];
    if (linear.bias) y = y + at(linear.bias->view(), i % n);
    store(out, i, y);
  }
}

float rounded(float value, DType dtype) {
  return dtype == DType::kF32    ? value
         : dtype == DType::kBF16 ? std::bit_cast<float>(static_cast<uint32_t>(ref::to_bfloat16(value)) << 16)
                                 : ref::from_half(ref::to_half(value));
}

void reference_static(const Linear& linear, const TensorView& out) {
  const int64_t m = linear.m(), n = linear.n(), k = linear.k();
  std::vector<int8_t> q(static_cast<size_t>(m * k));
  float scale = at(linear.input_scale->view(), 0);
  const float offset = at(linear.input_offset->view(), 0);
  if (linear.reciprocal) scale = rounded(1.0f / rounded(scale, out.dtype), out.dtype);
  ref::quantize({.x = ConstTensorView(linear.x.data(), out.dtype, {m, k}),
                 .scales = ConstTensorView(&scale, DType::kF32, {1}),
                 .zero_points = ConstTensorView(&offset, DType::kF32, {1}),
                 .axis = -1,
                 .div_mode = !linear.reciprocal},
                TensorView(q.data(), DType::kI8, {m, k}));
  const ConstTensorView deq = linear.deq_scale->view();
  for (int64_t i = 0; i < m * n; ++i) {
    const Dims column({i % n});
    const uint32_t start = linear.quant_bias ? ref::get<uint32_t>(linear.quant_bias->view(), column) : 0;
    const int32_t sum = dot(q.data() + i / n * k, linear.weight, i % n, k, start);
    const float s = deq.dtype == DType::kI64
                        ? std::bit_cast<float>(static_cast<uint32_t>(ref::get<uint64_t>(deq, column)))
                        : ref::get_float(deq, column);
    float y = static_cast<float>(sum) * s;
    if (linear.bias) y = y + at(linear.bias->view(), i % n);
    store(out, i, y);
  }
}

std::string describe(const Linear& linear) {
  return "m=" + std::to_string(linear.m()) + " n=" + std::to_string(linear.n()) + " k=" + std::to_string(linear.k()) +
         ", " + name_sizes("x", linear.x.view()) + (linear.packed ? ", weight packed" : "");
}

// Calls `run` with the weight as it lies or packed.
template <class Run>
void with_weight(const Linear& linear, ExecutionContext& ctx, const Run& run) {
  if (!linear.packed) return run(linear.weight.view());
  const PackedWeight packed = PackedWeight::pack(linear.weight.view(), ctx);
  run(packed.view());
}

// --- quantize, dynamic_quant ---

struct Quantize {
  Operand x, scales;
  std::optional<Operand> zero_points = std::nullopt;
  QuantizeArgs args = {};
};

Dims one_but(int rank, int axis, int64_t length) {
  Dims sizes;
  for (int d = 0; d < rank; ++d) sizes.push_back(d == axis ? length : 1);
  return sizes;
}

struct DynamicQuant {
  Operand x;
  std::optional<Operand> smooth = std::nullopt, groups = std::nullopt;
  bool int4 = false;

  DynamicQuantArgs args() const {
    DynamicQuantArgs args{.x = x.view(), .int4 = int4};
    if (smooth) args.smooth_scales = smooth->view();
    if (groups) args.group_index = groups->view();
    return args;
  }
};

}  // namespace

Problem linear_dynamic_problem(uint64_t seed) {
  Random random(seed);
  const auto linear = std::make_shared<Linear>(random_linear(random));
  const int64_t n = linear->n();
  const Dims scale_sizes = random.one_in(2) ? Dims({n}) : Dims({n, 1});
  linear->weight_scale.emplace(any_float(random), scale_sizes, random);
  linear->weight_scale->fill_scales(random);
  if (random.one_in(2)) linear->bias.emplace(any_float(random), Dims({n}), random).fill_uniform(-1, 1, random);
  Problem problem;
  problem.what = describe(*linear) + ", " + name_sizes("weight_scale", linear->weight_scale->view()) +
                 (linear->bias ? std::string(", ") + dtype_name(linear->bias->view().dtype) + " bias" : "");
  problem.descs = {infer(linear->dynamic_args(linear->weight.view()))};
  problem.reference = [linear](std::span<Result> out) { reference_dynamic(*linear, out[0].view()); };
  problem.run = [linear](ExecutionContext& ctx, std::span<Result> out) {
    with_weight(*linear, ctx, [&](const ConstTensorView& weight) {
      linear_dynamic(linear->dynamic_args(weight), out[0].view(), ctx);
    });
  };
  return problem;
}

Problem linear_static_problem(uint64_t seed) {
  Random random(seed);
  const auto linear = std::make_shared<Linear>(random_linear(random));
  const int64_t n = linear->n();
  linear->input_scale.emplace(any_float(random), Dims({1}), random).set(0, random.real(0.002f, 0.2f));
  linear->input_offset.emplace(random.one_in(2) ? DType::kI8 : DType::kF32, Dims({1}), random)
      .set(0, static_cast<float>(random.between(-128, 127)));
  constexpr DType kDeqTypes[] = {DType::kF32, DType::kBF16, DType::kI64};
  linear->deq_scale.emplace(kDeqTypes[random.between(0, 2)], Dims({n}), random).fill_scales(random);
  if (!random.one_in(4)) {
    linear->quant_bias.emplace(DType::kI32, Dims({n}), random);
    random.one_in(8) ? linear->quant_bias->fill_bytes(random) : linear->quant_bias->fill_uniform(-2e5f, 2e5f, random);
  }
  if (random.one_in(3)) linear->bias.emplace(any_float(random), Dims({n}), random).fill_uniform(-1, 1, random);
  linear->reciprocal = random.one_in(3);
  Problem problem;
  problem.what = describe(*linear) + ", " + name_sizes("deq_scale", linear->deq_scale->view()) +
                 (linear->quant_bias ? ", quant_bias" : "") + (linear->bias ? ", bias" : "") +
                 (linear->reciprocal ? ", reciprocal" : "");
  problem.descs = {infer(linear->static_args(linear->weight.view()))};
  problem.reference = [linear](std::span<Result> out) { reference_static(*linear, out[0].view()); };
  problem.run = [linear](ExecutionContext& ctx, std::span<Result> out) {
    with_weight(*linear, ctx,
                [&](const ConstTensorView& weight) { linear_static(linear->static_args(weight), out[0].view(), ctx); });
  };
  return problem;
}

Problem quantize_problem(uint64_t seed) {
  Random random(seed);
  const bool div_mode = random.one_in(2), int4 = !div_mode && random.one_in(3);
  const Dims sizes = {random.between(1, 3), random.size(40), int4 ? 8 * random.between(1, 16) : random.size(200)};
  Operand x = activations(sizes, random, random.one_in(4));
  const int axis = static_cast<int>(div_mode ? random.between(0, 2) : random.between(1, 2));
  const int64_t count = random.one_in(3) ? 1 : sizes[axis];
  constexpr DType kDivScales[] = {DType::kF32, DType::kBF16};
  const DType dtype = div_mode ? kDivScales[random.between(0, 1)] : x.view().dtype;
  const Dims shape = !div_mode && random.one_in(3) ? one_but(3, axis, count) : Dims({count});
  const auto call = std::make_shared<Quantize>(Quantize{std::move(x), Operand(dtype, shape, random)});
  call->scales.fill_uniform(div_mode ? 0.01f : -4.0f, 4.0f, random);
  if (!random.one_in(3)) {
    constexpr DType kZeroTypes[] = {DType::kI8, DType::kU8, DType::kI32, DType::kF32, DType::kBF16};
    call->zero_points.emplace(div_mode ? kZeroTypes[random.between(0, 4)] : dtype, shape, random)
        .fill_uniform(0, 50, random);
  }
  constexpr DType kOutputs[] = {DType::kI8, DType::kU8, DType::kI32};
  call->args = {.x = call->x.view(),
                .scales = call->scales.view(),
                .dtype = div_mode ? kOutputs[random.between(0, 2)] : DType::kI8,
                .int4 = int4,
                .axis = div_mode ? axis : axis - 3,
                .div_mode = div_mode};
  if (call->zero_points) call->args.zero_points = call->zero_points->view();
  Problem problem;
  problem.what = name_sizes("x", call->x.view()) + ", " + name_sizes("scales", call->scales.view()) +
                 (call->zero_points ? ", " + name_sizes("zero_points", call->zero_points->view()) : "") + ", axis " +
                 std::to_string(call->args.axis) + (div_mode ? ", div_mode" : "") + ", to " +
                 (int4 ? "int4" : dtype_name(call->args.dtype));
  problem.descs = {infer(call->args, Product::kAtlasA2)};
  problem.reference = [call](std::span<Result> out) { ref::quantize(call->args, out[0].view()); };
  problem.run = [call](ExecutionContext& ctx, std::span<Result> out) {
    quantize(call->args, out[0].view(), ctx, Product::kAtlasA2);
  };
  return problem;
}

Problem dynamic_quant_problem(uint64_t seed) {
  Random random(seed);
  const bool int4 = random.one_in(4);
  const int64_t rows = random.size(60), h = int4 ? 8 * random.between(1, 40) : random.size(400);
  const auto call = std::make_shared<DynamicQuant>(
      DynamicQuant{activations({rows, h}, random, random.one_in(4)), std::nullopt, std::nullopt, int4});
  const int64_t experts = random.between(0, 2);  // 0: no smoothing, 1: one vector, 2: groups of rows
  if (experts > 0) {
    call->smooth.emplace(call->x.view().dtype, experts == 1 ? Dims({h}) : Dims({2, h}), random)
        .fill_uniform(-2, 2, random);
  }
  if (experts == 2) {
    call->groups.emplace(DType::kI32, Dims({2}), random).set(0, static_cast<float>(random.between(0, rows)));
    call->groups->set(1, static_cast<float>(rows));
  }
  Problem problem;
  problem.what = name_sizes("x", call->x.view()) + (experts ? ", smooth_scales" : "") +
                 (experts == 2 ? ", group_index" : "") + (int4 ? ", to int4" : "");
  const DynamicQuantDesc desc = infer(call->args());
  problem.descs = {desc.y, desc.scale};
  problem.reference = [call](std::span<Result> out) { ref::dynamic_quant(call->args(), out[0].view(), out[1].view()); };
  problem.run = [call](ExecutionContext& ctx, std::span<Result> out) {
    dynamic_quant(call->args(), out[0].view(), out[1].view(), ctx);
  };
  return problem;
}

}  // namespace a8w8::cli
