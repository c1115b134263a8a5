// One quantized layer of a checkpoint, normalized.
#pragma once

#include "a8w8/checkpoint.h"
#include "checkpoint/loaded.h"

namespace a8w8::checkpoint {

// `keeps_alive` goes into the result's `owned`, beside what had to be made.
LayerParameters layer_parameters(const Loaded& loaded, const LayerRecord& layer, const LayerOptions& options,
                                 std::shared_ptr<const void> keeps_alive);

// Two int4 in a byte, along the rows: the even row in the low nibble. `packed` is int8 (n / 2, k), `out` int8 (n, k).
void unpack_int4_rows(const ConstTensorView& packed, int8_t* out);

// The sum of each row of an int8 (n, k).
void row_sums(const ConstTensorView& weight, int64_t* out);

}  // namespace a8w8::checkpoint
