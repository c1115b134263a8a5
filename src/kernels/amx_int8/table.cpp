#include "kernels/amx_int8/kernels.h"
#include "kernels/avx512_vnni/kernels.h"
#include "kernels/registry.h"

namespace a8w8::amx_int8 {
namespace {

constexpr IsaSet kNeeds = Isa::kAmxInt8 | Isa::kAvx512Vnni;  // for avx512_vnni's functions

constexpr GemmKernel kGemm[] = {{"gemm_s8s8s32_32x64x64_amx_int8", kNeeds, kMr, kNr, kKr, /*a_bytes=*/1,
                                 /*b_bytes=*/1, gemm, pack_a, pack_b, row_init}};
constexpr DotKernel kDot[] = {
    {"dot_s8s8s32_128_amx_int8", kNeeds, kDotMaxM, /*k_per_row=*/4, kDotKr, /*a_bytes=*/1, dot, pack_dot_a}};
// Half the bytes of int8 count for few rows; with more, widening them for tdpbssd is faster than vpdpbusd.
constexpr DotKernel kDotInt4[] = {{"dot_s8s4s32_16_amx_int8", kNeeds, /*max_m=*/16, /*k_per_row=*/32,
                                   avx512_vnni::kDotInt4Kr, /*a_bytes=*/1, avx512_vnni::dot_int4,
                                   avx512_vnni::pack_dot_int4_a}};
// AMX has nothing for floats; a machine that has it has AVX512-VNNI.
constexpr EpilogueKernel kEpilogue[] = {{"epilogue_amx_int8", kNeeds, avx512_vnni::epilogue}};
constexpr QuantizeKernel kQuantize[] = {
    {"quantize_amx_int8", kNeeds, avx512_vnni::quantize_row, avx512_vnni::dynamic_quant_row}};
constexpr PeakKernel kPeak[] = {{"peak_amx_int8", kNeeds, peak, avx512_vnni::read}};

}  // namespace

extern const IsaTable kTable;
constinit const IsaTable kTable{Isa::kAmxInt8, kGemm, kDot, kEpilogue, kQuantize, kPeak, kDotInt4};

}  // namespace a8w8::amx_int8
