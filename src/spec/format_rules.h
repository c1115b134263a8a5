// The rules of the layout functions: FRACTAL_NZ blocks and packed int4.
#pragma once

#include "a8w8/format.h"
#include "a8w8/status.h"

namespace a8w8 {

// Of a cast to FRACTAL_NZ; fills the desc of the blocks. c0 = 0 means default_nz_c0.
Status check_fractal_nz(const ConstTensorView& x, int64_t c0, TensorDesc& blocks);
// The blocks that from_fractal_nz reads must be those of a tensor of `sizes`.
Status check_from_fractal_nz(const ConstTensorView& blocks, const Dims& sizes);
Status check_pack_int4(const ConstTensorView& values, TensorDesc& words);
Status check_unpack_int4(const ConstTensorView& words, TensorDesc& values);

// npu_convert_weight_to_int4pack: int32, two or three dimensions, contiguous.
Status check_int4pack(const ConstTensorView& weight, TensorDesc& words);

}  // namespace a8w8
