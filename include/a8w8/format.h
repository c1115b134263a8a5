// Physical layouts beside row-major: the device's FRACTAL_NZ blocks, and int4 packed into 32-bit words.
//
//   ConstTensorView w(weight, DType::kI8, {n, k});
//   TensorDesc nz = fractal_nz_desc(w);                              // int8 (k1, n1, 16, 32)
//   std::vector<int8_t> blocks(nz.bytes());
//   to_fractal_nz(w, TensorView(blocks.data(), nz.dtype, nz.sizes));
//   args.x2 = fractal_nz_view(blocks.data(), DType::kI8, {n, k}).transposed();   // quant_matmul reads the blocks
//
// FRACTAL_NZ of a logical (..., M, N), with N1 = ceil(N / C0), M1 = ceil(M / 16): (..., N1, M1, 16, C0), zero padded.
// Each block is 16 rows of C0 columns; blocks follow each other down a column of blocks:
//
//             C0     C0                       element (b, r, c) is at
//          ┌──────┬──────┐
//   16 rows│  0   │  M1  │   M1 blocks          (((b * N1 + c / C0) * M1 + r / 16) * 16 + r % 16) * C0 + c % C0
//          ├──────┼──────┤   down, N1
//          │  1   │ M1+1 │   across             b = row-major number of the leading dimensions
//          └──────┴──────┘
//
// E.g. int8 (33, 70), so C0 = 32, M1 = 3, N1 = 3: element (17, 40) is at (((1) * 3 + 1) * 16 + 1) * 32 + 8 = 2088.
//
// int4: element j of each run of eight along the last dimension is bits 4j .. 4j+3 of an int32, element 0 lowest, two's
// complement. E.g. 1 2 3 4 5 6 7 -8 is 0x87654321.
#pragma once

#include <cstdint>

#include "a8w8/tensor_view.h"

namespace a8w8 {

// Columns of a block: 32 for one-byte types, 16 for all others (the device sizes four-byte types as if they had two).
// int4 words, and int32 that is not to be sized so, have 8: pass it where a c0 is asked for.
constexpr int64_t default_nz_c0(DType dtype) { return dtype_size(dtype) == 1 ? 32 : 16; }

// The blocks of x (2 to 6 dimensions): (..., N1, M1, 16, C0) of x's dtype. c0 = 0 means default_nz_c0. Throws Error.
TensorDesc fractal_nz_desc(const ConstTensorView& x, int64_t c0 = 0);
// x has any strides; `out` is contiguous and has the sizes of fractal_nz_desc for some c0, its last one.
void to_fractal_nz(const ConstTensorView& x, const TensorView& out);
// The tensor of `sizes` (..., M, N) that `blocks` (..., N1, M1, 16, C0), contiguous, hold. Throws Error if they do not.
TensorDesc infer_from_fractal_nz(const ConstTensorView& blocks, const Dims& sizes);
// The inverse of to_fractal_nz; `out` is contiguous.
void from_fractal_nz(const ConstTensorView& blocks, const TensorView& out);
// The logical tensor that blocks hold, for quant_matmul's x2: C0 is 32 for int8 and 8 for int32 (words of int4).
ConstTensorView fractal_nz_view(const void* blocks, DType dtype, const Dims& sizes);

// values: int32 or int8 (..., 8 * n), any strides; only the low four bits count. words: int32 (..., n), contiguous.
void pack_int4(const ConstTensorView& values, const TensorView& words);
// npu_convert_weight_to_int4pack: pack_int4 with the vendor's rules: int32, two or three dimensions, contiguous.
struct Int4PackArgs {
  ConstTensorView weight;
};
TensorDesc infer(const Int4PackArgs& args);

// words: int32 (..., n), any strides; values: int8 (..., 8 * n), contiguous, -8 .. 7.
void unpack_int4(const ConstTensorView& words, const TensorView& values);

}  // namespace a8w8
