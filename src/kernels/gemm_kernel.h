// The contract of the integer kernels: int8 x int8 -> int32, exact modulo 2^32.
//
// There are two families. A *gemm* kernel computes one tile of up to mr x nr sums from packed panels of a and b; it is
// what the flops go through, and the only one that weights packed once are for. A *dot* kernel reads b where it lies,
// as rows contiguous along k; it serves small m, where packing b would cost more than the product. Both take rows of a
// packed by their own pack_a (some gemm kernels where they lie, see GemmKernel::row_init), leave int32 sums to an
// epilogue kernel (epilogue_kernel.h) and know nothing of scales, biases or dtypes. All are noexcept, allocate nothing,
// and neither read nor write outside what is said here; only prefetches may point elsewhere.
//
// A packed panel holds `rows` rows of a (at most mr; a panel of fewer rows is smaller, not padded) or nr columns of b,
// an element taking a_bytes or b_bytes. Along k it is a sequence of blocks of kr; k is filled up to a multiple of kr,
// with zeros in a. So a panel takes rows * round_up(k, kr) * a_bytes or nr * round_up(k, kr) * b_bytes bytes, and the
// block that starts at k0 is at byte k0 * rows * a_bytes or k0 * nr * b_bytes. What is inside a block is the kernel's
// own business, drawn in its pack.cpp. The usual block, of rows i of a or columns j of b, is
//
//   a: [a(0,k0) .. a(0,k0+kr-1)] [a(1,k0) .. a(1,k0+kr-1)] ... [a(rows-1,k0) ..]
//   b: [b(k0,0) .. b(k0+kr-1,0)] [b(k0,1) .. b(k0+kr-1,1)] ... [.. b(k0+kr-1,nr-1)]                          b(k, j)
//
// E.g. nr = 64, kr = 4, one byte an element: b(6,17) is byte 1*(64*4) + 17*4 + 2 = 326 of its panel.
//
// [s8s8-compensation] vpdpbusd multiplies unsigned by signed bytes. Kernels that use it take b as u8 = s8 + 128 and
// start row i of c from row_init[i] = -128 * sum_k a(i,k), which pack_a computes on its way, or row_init(). The k and n
// tails of b may hold anything: a is zero there, and those columns are never used. Other kernels have row_init = 0.
// Neither the sum nor its parts can matter beyond 2^32: int32 addition wraps, and for k <= 65535 not even the
// intermediate value leaves int32:
//   255 * 128 * 65535 = 2 139 062 400 < 2^31 - 1.
#pragma once

#include <cstdint>

#include "a8w8/isa.h"

namespace a8w8 {

// Packs `rows` rows of a (element (i, p) at a[i * row_stride + p * k_stride]) and writes row_init[0 .. rows-1].
using PackAFn = void(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
                     int32_t* row_init) noexcept;

// The corrections alone, of rows that stay where they are: row_init[0 .. rows-1] of a(i, p) = a[i * row_stride + p].
using RowInitFn = void(const int8_t* a, int64_t row_stride, int64_t rows, int64_t k, int32_t* row_init) noexcept;

// Packs `cols` <= nr columns of b (element (p, j) at b[p * k_stride + j * n_stride]). Fast for k_stride == 1 (a weight
// stored n x k) and n_stride == 1 (stored k x n); any other strides work.
using PackBFn = void(const int8_t* b, int64_t k_stride, int64_t n_stride, int64_t k, int64_t cols,
                     void* panel) noexcept;

// For i < rows and all nr columns: c[i * ldc + j] = row_init[i] + sum over p < k of a(i,p) * b(p,j), or, where row_init
// is null, the sum is added to c. `rows` is that of the panel of a. k >= 1 need not be a multiple of kr; both panels
// are filled up to one. a_stride is read only by kernels that take rows where they lie.
using GemmFn = void(int64_t rows, int64_t k, const void* a, int64_t a_stride, const void* b_panel,
                    const int32_t* row_init, int32_t* c, int64_t ldc) noexcept;

// One row against kBeside panels of b at once, panel_bytes apart; their columns lie side by side in c.
inline constexpr int kBeside = 4;
using RowBesideFn = void(int64_t k, const void* a, const void* b_panels, int64_t panel_bytes, const int32_t* row_init,
                         int32_t* c) noexcept;

struct GemmKernel {
  const char* name;  // gemm_<types>_<mr>x<nr>x<kr>_<isa>
  IsaSet needs;
  int mr, nr, kr;
  int a_bytes, b_bytes;  // bytes of a packed element
  GemmFn* run;
  PackAFn* pack_a;
  PackBFn* pack_b;
  // If given, run() takes int8 rows of a as they lie, contiguous along k and a_stride bytes apart, of which it reads k
  // bytes each; and pack_a, for rows that are not contiguous, just copies them, round_up(k, kr) bytes apart.
  RowInitFn* row_init = nullptr;
  // If given, a product of one row takes kBeside panels that were packed beforehand at a time: memory delivers
  // several streams sooner than one.
  RowBesideFn* row_beside = nullptr;
};

// c[i * ldc + j] = row_init[i] + sum over p < k of a(i,p) * b[j * ldb + p], for i < m, j < n. The panel of a holds
// m <= max_m rows.
using DotFn = void(int64_t m, int64_t n, int64_t k, const void* a_panel, const int32_t* row_init, const int8_t* b,
                   int64_t ldb, int32_t* c, int64_t ldc) noexcept;

// A kernel for int4 has the same contract, but b holds two values a byte, the even k in the lower half: column j starts
// at byte j * ldb, and k is even.
struct DotKernel {
  const char* name;  // dot_<types>_<max_m>_<isa>
  IsaSet needs;
  int max_m;      // with more rows, packing b is faster
  int k_per_row;  // and so it is where k < m * k_per_row: with little k, a sum is made soon and finished often
  int kr;         // of the packed panel of a, as above
  int a_bytes;    // likewise
  DotFn* run;
  PackAFn* pack_a;
};

}  // namespace a8w8
