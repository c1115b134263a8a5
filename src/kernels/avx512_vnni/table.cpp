#include "kernels/avx512_vnni/kernels.h"
#include "kernels/registry.h"

namespace a8w8::avx512_vnni {
namespace {

constexpr GemmKernel kGemm[] = {{"gemm_s8s8s32_6x64x4_avx512_vnni", Isa::kAvx512Vnni, kMr, kNr, kKr, /*a_bytes=*/1,
                                 /*b_bytes=*/1, gemm, pack_a, pack_b, row_init}};
constexpr DotKernel kDot[] = {{"dot_s8s8s32_48_avx512_vnni", Isa::kAvx512Vnni, kDotMaxM, /*k_per_row=*/32, kDotKr,
                               /*a_bytes=*/1, dot, pack_dot_a}};
constexpr DotKernel kDotInt4[] = {{"dot_s8s4s32_48_avx512_vnni", Isa::kAvx512Vnni, kDotMaxM, /*k_per_row=*/32,
                                   kDotInt4Kr, /*a_bytes=*/1, dot_int4, pack_dot_int4_a}};
constexpr EpilogueKernel kEpilogue[] = {{"epilogue_avx512_vnni", Isa::kAvx512Vnni, epilogue}};
constexpr QuantizeKernel kQuantize[] = {{"quantize_avx512_vnni", Isa::kAvx512Vnni, quantize_row, dynamic_quant_row}};
constexpr PeakKernel kPeak[] = {{"peak_avx512_vnni", Isa::kAvx512Vnni, peak, read}};

}  // namespace

extern const IsaTable kTable;
constinit const IsaTable kTable{Isa::kAvx512Vnni, kGemm, kDot, kEpilogue, kQuantize, kPeak, kDotInt4};

}  // namespace a8w8::avx512_vnni
