// The tables and the choice among them, with instruction sets that this machine need not have.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "kernels/registry.h"

namespace a8w8 {
namespace {

struct Golden {
  const char* what;
  IsaSet available;
  Isa chosen;
  const char *gemm, *dot, *epilogue, *quantize;
};

constexpr IsaSet kUpToAvx2 = Isa::kScalar | Isa::kAvx2;
constexpr IsaSet kUpToNeonDot = Isa::kScalar | Isa::kNeonDot;

// A row counts where the tables it chooses among are compiled: the first two everywhere, the others on x86 or on Arm.
constexpr Golden kGolden[] = {
    {"only scalar", Isa::kScalar, Isa::kScalar, "gemm_s8s8s32_4x8x4_scalar", "dot_s8s8s32_8_scalar", "epilogue_scalar",
     "quantize_scalar"},
    {"a set whose kernels need more", Isa::kScalar | Isa::kNeonI8mm, Isa::kScalar, "gemm_s8s8s32_4x8x4_scalar",
     "dot_s8s8s32_8_scalar", "epilogue_scalar", "quantize_scalar"},
    {"AVX2", kUpToAvx2, Isa::kAvx2, "gemm_s8s8s32_6x16x2_avx2", "dot_s8s8s32_10_avx2", "epilogue_avx2",
     "quantize_avx2"},
    {"AVX-VNNI", kUpToAvx2 | Isa::kAvxVnni, Isa::kAvxVnni, "gemm_s8s8s32_6x16x4_avx_vnni", "dot_s8s8s32_24_avx_vnni",
     "epilogue_avx_vnni", "quantize_avx_vnni"},
    {"AVX-VNNI and AVX512-VNNI, Zen 5", kUpToAvx2 | Isa::kAvxVnni | Isa::kAvx512Vnni, Isa::kAvx512Vnni,
     "gemm_s8s8s32_6x64x4_avx512_vnni", "dot_s8s8s32_48_avx512_vnni", "epilogue_avx512_vnni", "quantize_avx512_vnni"},
    {"AVX512-VNNI", kUpToAvx2 | Isa::kAvx512Vnni, Isa::kAvx512Vnni, "gemm_s8s8s32_6x64x4_avx512_vnni",
     "dot_s8s8s32_48_avx512_vnni", "epilogue_avx512_vnni", "quantize_avx512_vnni"},
    {"AMX", kUpToAvx2 | Isa::kAvxVnni | Isa::kAvx512Vnni | Isa::kAmxInt8, Isa::kAmxInt8,
     "gemm_s8s8s32_32x64x64_amx_int8", "dot_s8s8s32_128_amx_int8", "epilogue_amx_int8", "quantize_amx_int8"},
    {"everything, on x86", IsaSet::from_bits(~0u), Isa::kAmxInt8, "gemm_s8s8s32_32x64x64_amx_int8",
     "dot_s8s8s32_128_amx_int8", "epilogue_amx_int8", "quantize_amx_int8"},
    {"Armv8.2 with dot product", kUpToNeonDot, Isa::kNeonDot, "gemm_s8s8s32_5x64x16_neon_dot",
     "dot_s8s8s32_24_neon_dot", "epilogue_neon_dot", "quantize_neon_dot"},
    {"Armv8.6", kUpToNeonDot | Isa::kNeonI8mm, Isa::kNeonI8mm, "gemm_s8s8s32_12x64x8_neon_i8mm",
     "dot_s8s8s32_16_neon_i8mm", "epilogue_neon_i8mm", "quantize_neon_i8mm"},
    {"everything, on Arm", IsaSet::from_bits(~0u), Isa::kNeonI8mm, "gemm_s8s8s32_12x64x8_neon_i8mm",
     "dot_s8s8s32_16_neon_i8mm", "epilogue_neon_i8mm", "quantize_neon_i8mm"},
};

bool is_compiled(Isa isa) {
  for (const IsaTable* table : isa_tables()) {
    if (table->isa == isa) return true;
  }
  return false;
}

TEST(SelectKernel, TakesTheBestAvailable) {
  for (const Golden& g : kGolden) {
    if (!is_compiled(g.chosen)) continue;  // built for another architecture
    SCOPED_TRACE(g.what);
    EXPECT_STREQ(select_gemm(g.available).name, g.gemm);
    EXPECT_STREQ(select_dot(g.available).name, g.dot);
    EXPECT_STREQ(select_epilogue(g.available).name, g.epilogue);
    EXPECT_STREQ(select_quantize(g.available).name, g.quantize);
    EXPECT_EQ(select_peak(g.available).name, std::string("peak_") + isa_name(g.chosen));
  }
}

TEST(SelectKernel, WidensInt4WhereTheBestSetHasNoKernelForIt) {
  EXPECT_EQ(select_dot_int4(Isa::kScalar), nullptr);
  if (!is_compiled(Isa::kAvx512Vnni)) return;
  EXPECT_STREQ(select_dot_int4(kUpToAvx2)->name, "dot_s8s4s32_64_avx2");
  EXPECT_EQ(select_dot_int4(kUpToAvx2 | Isa::kAvxVnni), nullptr);
  EXPECT_STREQ(select_dot_int4(kUpToAvx2 | Isa::kAvx512Vnni)->name, "dot_s8s4s32_48_avx512_vnni");
  EXPECT_STREQ(select_dot_int4(IsaSet::from_bits(~0u))->name, "dot_s8s4s32_16_amx_int8");
}

// What the other architecture has is of no use.
TEST(SelectKernel, PassesOverSetsThatAreNotCompiled) {
  const IsaSet x86 = kUpToAvx2 | Isa::kAvxVnni | Isa::kAvx512Vnni | Isa::kAmxInt8;
  const IsaSet foreign = is_compiled(Isa::kAvx2) ? kUpToNeonDot | Isa::kNeonI8mm : x86;
  EXPECT_STREQ(select_gemm(foreign).name, select_gemm(Isa::kScalar).name);
  EXPECT_STREQ(select_dot(foreign).name, select_dot(Isa::kScalar).name);
  EXPECT_STREQ(select_epilogue(foreign).name, select_epilogue(Isa::kScalar).name);
  EXPECT_STREQ(select_quantize(foreign).name, select_quantize(Isa::kScalar).name);
}

TEST(IsaTables, EndWithScalarAndAreComplete) {
  ASSERT_FALSE(isa_tables().empty());
  EXPECT_EQ(isa_tables().back()->isa, Isa::kScalar);
  for (const IsaTable* table : isa_tables()) {
    EXPECT_FALSE(table->gemm.empty() || table->dot.empty() || table->epilogue.empty() || table->quantize.empty() ||
                 table->peak.empty())
        << isa_name(table->isa);
  }
}

TEST(IsaTables, GoFromBestToScalar) {
  for (size_t i = 1; i < isa_tables().size(); ++i) EXPECT_GT(isa_tables()[i - 1]->isa, isa_tables()[i]->isa);
}

// A kernel's name is its contract in short, and its only name.
TEST(IsaTables, NamesSayWhatTheRowsSay) {
  std::set<std::string> names;
  const auto check = [&](const auto& kernel, const std::string& expected, const IsaTable& table) {
    EXPECT_EQ(kernel.name, expected + "_" + isa_name(table.isa));
    EXPECT_TRUE(kernel.needs.contains(table.isa)) << kernel.name;
    EXPECT_TRUE(names.insert(kernel.name).second) << kernel.name << " stands twice";
  };
  for (const IsaTable* table : isa_tables()) {
    for (const GemmKernel& g : table->gemm) {
      const std::string tile = std::to_string(g.mr) + "x" + std::to_string(g.nr) + "x" + std::to_string(g.kr);
      check(g, "gemm_s8s8s32_" + tile, *table);
    }
    for (const DotKernel& d : table->dot) check(d, "dot_s8s8s32_" + std::to_string(d.max_m), *table);
    for (const DotKernel& d : table->dot_int4) check(d, "dot_s8s4s32_" + std::to_string(d.max_m), *table);
    for (const EpilogueKernel& e : table->epilogue) check(e, "epilogue", *table);
    for (const QuantizeKernel& q : table->quantize) check(q, "quantize", *table);
    for (const PeakKernel& p : table->peak) check(p, "peak", *table);
  }
}

}  // namespace
}  // namespace a8w8
