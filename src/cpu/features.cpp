// x86, and CPUs that nothing is known about. Arm: features_arm.cpp.
#include "cpu/features.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <cstdint>
#include <cstring>

namespace a8w8 {

#if defined(__x86_64__)
namespace {

struct CpuidRegisters {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

CpuidRegisters cpuid(uint32_t leaf, uint32_t subleaf = 0) {
  CpuidRegisters r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);  // zeros where the leaf does not exist
  return r;
}

bool bit(uint32_t word, int index) { return (word >> index) & 1u; }

// Which register files the operating system saves on a context switch. A CPU feature without it is unusable.
uint64_t read_xcr0() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

// Linux hands out the 8 KiB of tile state only on request (arch_prctl ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA).
bool request_amx_permission() {
#if defined(__linux__)
  constexpr int kArchReqXcompPerm = 0x1023, kXfeatureXtiledata = 18;
  return syscall(SYS_arch_prctl, kArchReqXcompPerm, kXfeatureXtiledata) == 0;
#else
  return false;
#endif
}

}  // namespace

IsaSet detect_isas() {
  IsaSet set = Isa::kScalar;
  const CpuidRegisters leaf1 = cpuid(1), leaf7 = cpuid(7, 0), leaf7_1 = cpuid(7, 1);
  const bool has_osxsave = bit(leaf1.ecx, 27), has_avx = bit(leaf1.ecx, 28), has_f16c = bit(leaf1.ecx, 29);
  if (!has_osxsave || !has_avx) return set;

  const uint64_t xcr0 = read_xcr0();
  const bool os_ymm = (xcr0 & 0x6) == 0x6;            // SSE, AVX
  const bool os_zmm = (xcr0 & 0xe6) == 0xe6;          // + opmask, upper halves of zmm0-15, zmm16-31
  const bool os_tiles = (xcr0 & 0x60000) == 0x60000;  // XTILECFG, XTILEDATA

  const bool avx2 = os_ymm && has_f16c && bit(leaf7.ebx, 5);
  if (avx2) set = set | Isa::kAvx2;
  if (avx2 && bit(leaf7_1.eax, 4)) set = set | Isa::kAvxVnni;
  const bool avx512_core =
      bit(leaf7.ebx, 16) && bit(leaf7.ebx, 17) && bit(leaf7.ebx, 30) && bit(leaf7.ebx, 31);  // F DQ BW VL
  const bool avx512_vnni = avx2 && os_zmm && avx512_core && bit(leaf7.ecx, 11);
  if (avx512_vnni) set = set | Isa::kAvx512Vnni;
  const bool amx_int8 = avx512_vnni && os_tiles && bit(leaf7.edx, 24) && bit(leaf7.edx, 25);
  if (amx_int8 && request_amx_permission()) set = set | Isa::kAmxInt8;
  return set;
}

std::string detect_cpu_name() {
  if (cpuid(0x80000000).eax < 0x80000004) return "unknown CPU";
  char name[49] = {};
  for (uint32_t i = 0; i < 3; ++i) {
    const CpuidRegisters r = cpuid(0x80000002 + i);
    std::memcpy(name + 16 * i, &r, sizeof r);
  }
  std::string s(name);
  s.erase(0, s.find_first_not_of(' '));
  s.erase(s.find_last_not_of(' ') + 1);
  return s.empty() ? "unknown CPU" : s;
}

#elif !defined(__aarch64__)

IsaSet detect_isas() { return Isa::kScalar; }
std::string detect_cpu_name() { return "unknown CPU"; }

#endif

}  // namespace a8w8
