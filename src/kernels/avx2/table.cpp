#include "kernels/avx2/kernels.h"
#include "kernels/registry.h"

namespace a8w8::avx2 {
namespace {

constexpr GemmKernel kGemm[] = {{"gemm_s8s8s32_6x16x2_avx2", Isa::kAvx2, kMr, kNr, kKr, /*a_bytes=*/2, /*b_bytes=*/1,
                                 gemm, pack_a, pack_b,
                                 /*row_init=*/nullptr, gemm_row_beside}};
constexpr DotKernel kDot[] = {
    {"dot_s8s8s32_10_avx2", Isa::kAvx2, kDotMaxM, /*k_per_row=*/24, kDotKr, /*a_bytes=*/2, dot, pack_dot_a}};
constexpr DotKernel kDotInt4[] = {{"dot_s8s4s32_64_avx2", Isa::kAvx2, kDotInt4MaxM, /*k_per_row=*/8, kDotInt4Kr,
                                   /*a_bytes=*/1, dot_int4, pack_dot_int4_a}};
constexpr EpilogueKernel kEpilogue[] = {{"epilogue_avx2", Isa::kAvx2, epilogue}};
constexpr QuantizeKernel kQuantize[] = {{"quantize_avx2", Isa::kAvx2, quantize_row, dynamic_quant_row}};
constexpr PeakKernel kPeak[] = {{"peak_avx2", Isa::kAvx2, peak, read}};

}  // namespace

extern const IsaTable kTable;
constinit const IsaTable kTable{Isa::kAvx2, kGemm, kDot, kEpilogue, kQuantize, kPeak, kDotInt4};

}  // namespace a8w8::avx2
