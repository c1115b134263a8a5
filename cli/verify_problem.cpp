#include "cli/verify_problem.h"

#include <algorithm>

namespace a8w8::cli {
namespace {

constexpr std::byte kPattern{0xa5};

constexpr VerifyOp kOps[] = {
    {"quant_matmul", matmul_problem},         {"quant_matmul_int4", int4_problem},
    {"quant_matmul_groups", groups_problem},  {"quant_matmul_nz", blocks_problem},
    {"quant_matmul_packed", packed_problem},  {"linear_dynamic", linear_dynamic_problem},
    {"linear_static", linear_static_problem}, {"quantize", quantize_problem},
    {"dynamic_quant", dynamic_quant_problem},
};

}  // namespace

Result::Result(const TensorDesc& desc)
    : desc_(desc), bytes_(static_cast<size_t>(desc.bytes()) + 2 * kMargin, kPattern) {}

bool Result::margins_intact() const {
  const auto intact = [](auto begin) {
    return std::all_of(begin, begin + kMargin, [](auto b) { return b == kPattern; });
  };
  return intact(bytes_.begin()) && intact(bytes_.end() - kMargin);
}

std::span<const VerifyOp> verify_ops() { return kOps; }

}  // namespace a8w8::cli
