#include "a8w8/op_table.h"

namespace a8w8 {
namespace {

constexpr DTypeSet I8 = DType::kI8, I32 = DType::kI32, I64 = DType::kI64;  // x1, x2 int32: words of eight int4
constexpr DTypeSet F16 = DType::kF16, BF16 = DType::kBF16, F32 = DType::kF32;
constexpr DTypeSet None = DTypeSet::absent();

// clang-format off
constexpr QuantMatmulRow kAtlasA2[] = {
    // #  x1, x2  scale       offset      bias                     pertoken    output      per group
    {1,   I8,     I64 | F32,  None,       I32 | None,              None,       F16},
    {2,   I8,     I64 | F32,  F32 | None, I32 | None,              None,       I8},
    {3,   I8,     F32 | BF16, None,       I32 | BF16 | F32 | None, F32 | None, BF16},
    {4,   I8,     F32,        None,       I32 | F16 | F32 | None,  F32,        F16},
    {5,   I32,    I64 | F32,  None,       I32 | None,              None,       F16},
    {6,   I32,    F32 | BF16, None,       I32 | BF16 | F32 | None, F32,        BF16},
    {7,   I32,    F32,        None,       I32 | F16 | F32 | None,  F32,        F16},
    {8,   I8,     F32 | BF16, None,       I32 | None,              None,       I32},
    {9,   I32,    F32,        F16,        None,                    F32,        BF16 | F16, true},
};

constexpr QuantMatmulRow kAtlasInference[] = {
    {1,   I8,     I64 | F32,  None,       I32 | None,              None,       F16},
    {2,   I8,     I64 | F32,  F32 | None, I32 | None,              None,       I8},
};
// clang-format on

}  // namespace

std::span<const QuantMatmulRow> quant_matmul_table(Product product) {
  if (product == Product::kAtlasInference) return kAtlasInference;
  return kAtlasA2;
}

const char* quant_matmul_table_title(Product product) {
  return product == Product::kAtlasInference ? "Atlas inference" : "Atlas A2/A3";
}

}  // namespace a8w8
