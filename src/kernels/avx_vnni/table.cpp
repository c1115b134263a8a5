#include "kernels/avx2/kernels.h"
#include "kernels/avx_vnni/kernels.h"
#include "kernels/registry.h"

namespace a8w8::avx_vnni {
namespace {

constexpr IsaSet kNeeds = Isa::kAvxVnni | Isa::kAvx2;  // for avx2's functions

constexpr GemmKernel kGemm[] = {{"gemm_s8s8s32_6x16x4_avx_vnni", kNeeds, kMr, kNr, kKr, /*a_bytes=*/1, /*b_bytes=*/1,
                                 gemm, pack_a, pack_b, row_init}};
constexpr DotKernel kDot[] = {
    {"dot_s8s8s32_24_avx_vnni", kNeeds, kDotMaxM, /*k_per_row=*/32, kDotKr, /*a_bytes=*/1, dot, pack_dot_a}};
// AVX-VNNI has nothing new for floats.
constexpr EpilogueKernel kEpilogue[] = {{"epilogue_avx_vnni", kNeeds, avx2::epilogue}};
constexpr QuantizeKernel kQuantize[] = {{"quantize_avx_vnni", kNeeds, avx2::quantize_row, avx2::dynamic_quant_row}};
constexpr PeakKernel kPeak[] = {{"peak_avx_vnni", kNeeds, peak, avx2::read}};

}  // namespace

extern const IsaTable kTable;
constinit const IsaTable kTable{Isa::kAvxVnni, kGemm, kDot, kEpilogue, kQuantize, kPeak};

}  // namespace a8w8::avx_vnni
