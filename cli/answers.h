// Is a result right? Benchmarks ask before they measure.
//
//   std::optional<std::string> wrong = wrong_element(args, out);     // some elements against the reference
//   if (wrong) puts(wrong->c_str());                                 // "result (3, 17) is 1.5, must be 2.25"
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "a8w8/quant_matmul.h"

namespace a8w8::cli {

// Compares elements of `out`, two to three dimensions, contiguous, with what ref::quant_matmul computes for them alone,
// bit for bit: the corners of the result and `random` others. The operands of `args` are plain (not packed, not in
// blocks) and have no groups; x2 has as many dimensions as `out`.
std::optional<std::string> wrong_element(const QuantMatmulArgs& args, const ConstTensorView& out, int random = 16);

// Compares every element of `out` with the first one, and that one with the reference: for operands that are the same
// everywhere.
std::optional<std::string> wrong_constant(const QuantMatmulArgs& args, const ConstTensorView& out);

// Element `index` of a contiguous tensor, widened.
double element_value(const ConstTensorView& tensor, int64_t index);

// "result (0, 3, 17) is 1.5, must be 2.25" for element `index` of `out`.
std::string wrong_message(const ConstTensorView& out, int64_t index, const void* expected);

}  // namespace a8w8::cli
