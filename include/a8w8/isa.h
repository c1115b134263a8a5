// The instruction sets that the kernels are written for: which are compiled in, which this machine has, which may be
// used.
//
//   for (Isa isa : supported_isas()) puts(isa_name(isa));
//   ExecutionContext ctx;
//   ctx.set_max_isa(parse_isa("avx2"));       // by call; A8W8_MAX_ISA=avx2 does it for the process
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace a8w8 {

// In the order of preference: a cap admits itself and everything before it.
enum class Isa : uint8_t { kScalar, kAvx2, kAvxVnni, kAvx512Vnni, kAmxInt8, kNeonDot, kNeonI8mm };

inline constexpr int kIsaCount = 7;

struct IsaSet {
  uint32_t bits = 0;

  constexpr IsaSet() = default;
  constexpr IsaSet(Isa isa) : bits(1u << static_cast<int>(isa)) {}
  constexpr bool contains(Isa isa) const { return (bits >> static_cast<int>(isa)) & 1u; }
  constexpr bool contains(IsaSet s) const { return (bits & s.bits) == s.bits; }
  friend constexpr IsaSet operator|(IsaSet a, IsaSet b) { return from_bits(a.bits | b.bits); }
  friend constexpr IsaSet operator&(IsaSet a, IsaSet b) { return from_bits(a.bits & b.bits); }
  friend constexpr bool operator==(IsaSet a, IsaSet b) { return a.bits == b.bits; }
  static constexpr IsaSet from_bits(uint32_t bits) {
    IsaSet s;
    s.bits = bits;
    return s;
  }
};

constexpr IsaSet operator|(Isa a, Isa b) { return IsaSet(a) | IsaSet(b); }

const char* isa_name(Isa isa);  // "scalar", "avx2", "avx_vnni", "avx512_vnni", "amx_int8", "neon_dot", "neon_i8mm"
const char* isa_description(Isa isa);  // the CPU features it needs, in words
std::string isa_names(IsaSet set);     // "scalar, avx2"

// What the CPU and the operating system offer: CPUID, XCR0 and, for AMX on Linux, the permission request; on Arm what
// the system tells (HWCAP, sysctl). Found once.
IsaSet supported_isas();
// What this binary has kernels for.
IsaSet compiled_isas();
// Compiled, supported and under the cap of A8W8_MAX_ISA. Throws Error if the variable names an unknown ISA or one that
// this machine or this binary lacks.
IsaSet usable_isas();

// The set of `available` up to and including `cap`; throws Error if `available` lacks `cap`.
IsaSet capped(IsaSet available, Isa cap);
// Throws Error(kInvalidArgument) naming the known ones.
Isa parse_isa(std::string_view name);
std::vector<Isa> list(IsaSet set);

std::string cpu_name();  // "AMD EPYC ...", "Arm Neoverse V1", or "unknown CPU"

}  // namespace a8w8
