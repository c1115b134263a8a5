#include "kernels/neon_dot/kernels.h"
#include "kernels/neon_i8mm/kernels.h"
#include "kernels/registry.h"

namespace a8w8::neon_i8mm {
namespace {

constexpr IsaSet kNeeds = Isa::kNeonI8mm | Isa::kNeonDot;  // for neon_dot's functions

constexpr GemmKernel kGemm[] = {
    {"gemm_s8s8s32_12x64x8_neon_i8mm", kNeeds, kMr, kNr, kKr, /*a_bytes=*/1, /*b_bytes=*/1, gemm, pack_a, pack_b}};
constexpr DotKernel kDot[] = {
    {"dot_s8s8s32_16_neon_i8mm", kNeeds, kDotMaxM, /*k_per_row=*/16, kDotKr, /*a_bytes=*/1, dot, pack_dot_a}};
constexpr EpilogueKernel kEpilogue[] = {{"epilogue_neon_i8mm", kNeeds, neon_dot::epilogue}};
constexpr QuantizeKernel kQuantize[] = {
    {"quantize_neon_i8mm", kNeeds, neon_dot::quantize_row, neon_dot::dynamic_quant_row}};
constexpr PeakKernel kPeak[] = {{"peak_neon_i8mm", kNeeds, peak, neon_dot::read}};

}  // namespace

extern const IsaTable kTable;
constinit const IsaTable kTable{Isa::kNeonI8mm, kGemm, kDot, kEpilogue, kQuantize, kPeak};

}  // namespace a8w8::neon_i8mm
