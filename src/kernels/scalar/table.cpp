#include "kernels/registry.h"
#include "kernels/scalar/kernels.h"

namespace a8w8::scalar {
namespace {

constexpr GemmKernel kGemm[] = {
    {"gemm_s8s8s32_4x8x4_scalar", Isa::kScalar, kMr, kNr, kKr, /*a_bytes=*/1, /*b_bytes=*/1, gemm, pack_a, pack_b}};
constexpr DotKernel kDot[] = {
    {"dot_s8s8s32_8_scalar", Isa::kScalar, kDotMaxM, /*k_per_row=*/0, kKr, /*a_bytes=*/1, dot, pack_a}};
constexpr EpilogueKernel kEpilogue[] = {{"epilogue_scalar", Isa::kScalar, epilogue}};
constexpr QuantizeKernel kQuantize[] = {{"quantize_scalar", Isa::kScalar, quantize_row, dynamic_quant_row}};
constexpr PeakKernel kPeak[] = {{"peak_scalar", Isa::kScalar, peak, read}};

}  // namespace

extern const IsaTable kTable;
constinit const IsaTable kTable{Isa::kScalar, kGemm, kDot, kEpilogue, kQuantize, kPeak};

}  // namespace a8w8::scalar
