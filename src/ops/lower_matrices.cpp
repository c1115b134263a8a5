#include "ops/lower_matrices.h"

#include "format/int4.h"
#include "spec/quant_matmul_rules.h"
#include "tensor/read.h"

namespace a8w8 {
namespace {

constexpr int64_t kNzInt8Cols = 32, kNzInt4Words = 8;  // both 32 bytes

// A transposed view of blocks keeps describing the (n, k) tensor they were made of.
bool is_transposed_nz(const ConstTensorView& x) {
  const Dims strides = contiguous_strides(x.sizes);
  return !(x.strides[-1] == strides[-1] && x.strides[-2] == strides[-2]);
}

// The rows of x1, whose strides as int8 are `strides1`, and the batch dimensions of the result with the strides of both
// operands; 0 where one is broadcast.
void lower_x1(const QuantMatmulArgs& args, const Dims& strides1, const StoredWeight& weight, const Dims& out,
              GemmProblem& p) {
  const ConstTensorView& x1 = args.x1;
  p.a_row_stride = strides1[-2], p.a_k_stride = strides1[-1];
  const int rank = out.rank() - 2;
  const auto is_broadcast = [&](const ConstTensorView& x, int i) {
    const int at = i - (out.rank() - x.rank());
    return at < 0 || x.sizes[at] == 1;
  };
  int64_t matrices = 1;  // of x2, within one step along dimension i
  for (int i = rank - 1; i >= 0; --i) {
    const bool fixed1 = is_broadcast(x1, i), fixed2 = is_broadcast(args.x2, i);
    const int at1 = i - (out.rank() - x1.rank()), at2 = i - (out.rank() - args.x2.rank());
    const int64_t stride2 = fixed2 ? 0 : weight.plain ? args.x2.strides[at2] : matrices * weight.bytes_per_matrix;
    if (!fixed2) matrices *= args.x2.sizes[at2];
    if (out[i] == 1) continue;
    for (int d = p.batch_rank++; d > 0; --d) p.batch[d] = p.batch[d - 1];  // outermost first
    p.batch[0] = {out[i], fixed1 ? 0 : strides1[at1], stride2};
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

}  // namespace

StoredWeight stored_weight(const QuantMatmulArgs& args) {
  return stored_weight(args.x2, is_int4(args), is_int4(args) && int4_along_k(args));
}

StoredWeight stored_weight(const ConstTensorView& x2, bool int4, bool int4_along_k) {
  const bool nz = x2.format == Format::kFractalNz, packed = x2.format == Format::kPacked;
  StoredWeight weight;
  weight.plain = !nz && !int4 && !packed;
  WeightLayout& layout = weight.layout;
  layout.int4 = int4;
  if (packed) weight.packed = packed_operand(x2.data);
  if (weight.plain || packed) return weight;
  layout.nz = nz;
  layout.transposed = int4 ? int4_along_k : nz && is_transposed_nz(x2);
  // The matrix as it is stored: words lie along its columns.
  const ConstTensorView stored = layout.transposed ? x2.transposed() : x2;
  layout.row_stride = stored.strides[-2], layout.col_stride = stored.strides[-1];
  layout.blocks = {stored.sizes[-2], stored.sizes[-1], int4 ? kNzInt4Words : kNzInt8Cols};
  weight.bytes_per_matrix = layout.blocks.elements() * static_cast<int64_t>(dtype_size(x2.dtype));
  return weight;
}

void lower_weight(const ConstTensorView& x2, const StoredWeight& weight, GemmProblem& p) {
  if (weight.packed.header) {
    check_packed_sizes(*weight.packed.header, p.n, p.k);
    p.b_panels = static_cast<const std::byte*>(x2.data) + sizeof(PackedHeader);
    return;
  }
  p.b = static_cast<const int8_t*>(x2.data);
  p.b_k_stride = x2.strides[-2], p.b_n_stride = x2.strides[-1];
  if (!weight.plain) p.b_layout = &weight.layout;
}

KernelChoice kernels_for(const StoredWeight& weight, IsaSet isas) {
  // Looking through all tables would have a tenth of the time of the smallest call, and the answer is the last one.
  thread_local IsaSet last_isas;
  thread_local KernelChoice last_choice;
  if (!(isas == last_isas)) last_choice = choose_kernels(isas), last_isas = isas;
  KernelChoice kernels = last_choice;
  if (weight.packed.header) kernels.gemm = &packed_kernel(weight.packed, isas);
  return kernels;
}

int64_t unpacked_x1_bytes(const QuantMatmulArgs& args) { return is_int4(args) ? args.x1.numel() * kInt4PerWord : 0; }

const int8_t* int8_x1(const QuantMatmulArgs& args, void* to) {
  const ConstTensorView& x1 = args.x1;
  if (!is_int4(args)) return static_cast<const int8_t*>(x1.data);
  const int64_t words = x1.sizes[-1];
  int8_t* values = static_cast<int8_t*>(to);
  for (int64_t row = 0; row < row_count(x1); ++row, values += words * kInt4PerWord)
    unpack_int4_words(reinterpret_cast<const uint32_t*>(row_pointer(x1, row)), x1.strides[-1], words, values);
  return static_cast<const int8_t*>(to);
}

GemmProblem lower_matrices(const QuantMatmulArgs& args, const StoredWeight& weight, const Dims& out) {
  const MatmulSizes sizes = matmul_sizes(args);
  GemmProblem p;
  p.m = sizes.m, p.n = sizes.n, p.k = sizes.k;
  lower_weight(args.x2, weight, p);
  if (is_int4(args)) {
    Dims unpacked = args.x1.sizes;
    unpacked[-1] = p.k;
    lower_x1(args, contiguous_strides(unpacked), weight, out, p);
  } else {
    lower_x1(args, args.x1.strides, weight, out, p);
  }
  const bool one_bias = !args.bias || args.bias->numel() == p.n;
  if (one_bias) fold_batch_into_rows(p);
  return p;
}

}  // namespace a8w8
