#include "kernels/neon_dot/kernels.h"
#include "kernels/registry.h"

namespace a8w8::neon_dot {
namespace {

constexpr GemmKernel kGemm[] = {{"gemm_s8s8s32_5x64x16_neon_dot", Isa::kNeonDot, kMr, kNr, kKr, /*a_bytes=*/1,
                                 /*b_bytes=*/1, gemm, pack_a, pack_b, row_init}};
constexpr DotKernel kDot[] = {
    {"dot_s8s8s32_24_neon_dot", Isa::kNeonDot, kDotMaxM, /*k_per_row=*/8, kKr, /*a_bytes=*/1, dot, pack_dot_a}};
constexpr EpilogueKernel kEpilogue[] = {{"epilogue_neon_dot", Isa::kNeonDot, epilogue}};
constexpr QuantizeKernel kQuantize[] = {{"quantize_neon_dot", Isa::kNeonDot, quantize_row, dynamic_quant_row}};
constexpr PeakKernel kPeak[] = {{"peak_neon_dot", Isa::kNeonDot, peak, read}};

}  // namespace

extern const IsaTable kTable;
constinit const IsaTable kTable{Isa::kNeonDot, kGemm, kDot, kEpilogue, kQuantize, kPeak};

}  // namespace a8w8::neon_dot
