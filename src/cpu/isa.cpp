#include "a8w8/isa.h"

#include <cstdlib>

#include "a8w8/status.h"
#include "base/str_cat.h"
#include "cpu/features.h"

namespace a8w8 {
namespace {

struct IsaRow {
  Isa isa;
  const char* name;
  const char* description;
};

constexpr IsaRow kIsaRows[kIsaCount] = {
    {Isa::kScalar, "scalar", "plain C++, any CPU"},
    {Isa::kAvx2, "avx2", "AVX2 and F16C"},
    {Isa::kAvxVnni, "avx_vnni", "AVX2, F16C and AVX-VNNI (VEX)"},
    {Isa::kAvx512Vnni, "avx512_vnni", "AVX-512 F, BW, DQ, VL and VNNI"},
    {Isa::kAmxInt8, "amx_int8", "AVX512-VNNI and AMX-TILE, AMX-INT8"},
    {Isa::kNeonDot, "neon_dot", "Armv8.2 dot product"},
    {Isa::kNeonI8mm, "neon_i8mm", "Armv8.6 int8 matrix multiply and dot product"},
};

const IsaRow& row(Isa isa) { return kIsaRows[static_cast<int>(isa)]; }

}  // namespace

const char* isa_name(Isa isa) { return row(isa).name; }
const char* isa_description(Isa isa) { return row(isa).description; }

std::vector<Isa> list(IsaSet set) {
  std::vector<Isa> isas;
  for (const IsaRow& r : kIsaRows) {
    if (set.contains(r.isa)) isas.push_back(r.isa);
  }
  return isas;
}

std::string isa_names(IsaSet set) {
  std::string names;
  for (Isa isa : list(set)) names += (names.empty() ? "" : ", ") + std::string(isa_name(isa));
  return names;
}

// cmake/A8w8Isa.cmake defines A8W8_HAVE_<ISA> for each folder of kernels it compiles.
IsaSet compiled_isas() {
  IsaSet set = Isa::kScalar;
#if defined(A8W8_HAVE_AVX2)
  set = set | Isa::kAvx2;
#endif
#if defined(A8W8_HAVE_AVX_VNNI)
  set = set | Isa::kAvxVnni;
#endif
#if defined(A8W8_HAVE_AVX512_VNNI)
  set = set | Isa::kAvx512Vnni;
#endif
#if defined(A8W8_HAVE_AMX_INT8)
  set = set | Isa::kAmxInt8;
#endif
#if defined(A8W8_HAVE_NEON_DOT)
  set = set | Isa::kNeonDot;
#endif
#if defined(A8W8_HAVE_NEON_I8MM)
  set = set | Isa::kNeonI8mm;
#endif
  return set;
}

IsaSet supported_isas() {
  static const IsaSet set = detect_isas();
  return set;
}

std::string cpu_name() {
  static const std::string name = detect_cpu_name();
  return name;
}

Isa parse_isa(std::string_view name) {
  for (const IsaRow& r : kIsaRows) {
    if (name == r.name) return r.isa;
  }
  throw Error(ErrorCode::kInvalidArgument, str_cat("ISA \"", name, "\" is unknown; known are ",
                                                   isa_names(IsaSet::from_bits((1u << kIsaCount) - 1))));
}

IsaSet capped(IsaSet available, Isa cap) {
  if (!available.contains(cap)) {
    throw Error(ErrorCode::kUnsupported, str_cat("ISA \"", isa_name(cap), "\" (", isa_description(cap),
                                                 ") is not available here; available are ", isa_names(available)));
  }
  const uint32_t up_to_cap = (2u << static_cast<int>(cap)) - 1;
  return IsaSet::from_bits(available.bits & up_to_cap);
}

IsaSet usable_isas() {
  const IsaSet available = compiled_isas() & supported_isas();
  const char* cap = std::getenv("A8W8_MAX_ISA");
  if (cap == nullptr || *cap == '\0') return available;
  try {
    return capped(available, parse_isa(cap));
  } catch (const Error& e) {
    throw Error(e.code(), str_cat("A8W8_MAX_ISA: ", e.what()));
  }
}

}  // namespace a8w8
