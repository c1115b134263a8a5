#include "cpu/features.h"

#if defined(__aarch64__)

#if defined(__linux__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include <cstdint>

namespace a8w8 {
namespace {

// No CPU has int8 matrix multiply without dot product, and its kernels use both.
[[maybe_unused]] IsaSet isa_set(bool dot, bool i8mm) {
  IsaSet set = Isa::kScalar;
  if (dot) set = set | Isa::kNeonDot;
  if (dot && i8mm) set = set | Isa::kNeonI8mm;
  return set;
}

}  // namespace

#if defined(__linux__)
namespace {

// Bits of AT_HWCAP and AT_HWCAP2, which the headers of an older system do not all name.
constexpr unsigned long kHwcapCpuid = 1ul << 11, kHwcapAsimdDp = 1ul << 20, kHwcap2I8mm = 1ul << 13;

// The cores of servers and of the usual boards, by the fields of the Main ID Register.
struct Core {
  uint32_t implementer, part;
  const char* name;
};
constexpr Core kCores[] = {
    {0x41, 0xd03, "Arm Cortex-A53"},  {0x41, 0xd05, "Arm Cortex-A55"},  {0x41, 0xd08, "Arm Cortex-A72"},
    {0x41, 0xd0b, "Arm Cortex-A76"},  {0x41, 0xd0c, "Arm Neoverse N1"}, {0x41, 0xd40, "Arm Neoverse V1"},
    {0x41, 0xd49, "Arm Neoverse N2"}, {0x41, 0xd4f, "Arm Neoverse V2"}, {0x48, 0xd01, "HiSilicon Kunpeng 920"},
    {0x61, 0x022, "Apple M1"},        {0x61, 0x023, "Apple M1"},        {0xc0, 0xac3, "Ampere AmpereOne"},
};

std::string hex(uint32_t x) {
  std::string s;
  for (; x != 0 || s.empty(); x /= 16) s.insert(s.begin(), "0123456789abcdef"[x % 16]);
  return "0x" + s;
}

}  // namespace

IsaSet detect_isas() {
  return isa_set((getauxval(AT_HWCAP) & kHwcapAsimdDp) != 0, (getauxval(AT_HWCAP2) & kHwcap2I8mm) != 0);
}

// Linux reads the register for programs: it names the core that this thread happens to be on.
std::string detect_cpu_name() {
  if ((getauxval(AT_HWCAP) & kHwcapCpuid) == 0) return "unknown CPU";
  uint64_t midr;
  __asm__("mrs %0, MIDR_EL1" : "=r"(midr));
  const uint32_t implementer = static_cast<uint32_t>(midr >> 24) & 0xff;
  const uint32_t part = static_cast<uint32_t>(midr >> 4) & 0xfff;
  for (const Core& core : kCores) {
    if (core.implementer == implementer && core.part == part) return core.name;
  }
  return "Arm CPU, implementer " + hex(implementer) + ", part " + hex(part);
}

#elif defined(__APPLE__)
namespace {

bool has_feature(const char* name) {
  int32_t value = 0;
  size_t size = sizeof value;
  return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
}

}  // namespace

IsaSet detect_isas() {
  return isa_set(has_feature("hw.optional.arm.FEAT_DotProd"), has_feature("hw.optional.arm.FEAT_I8MM"));
}

std::string detect_cpu_name() {
  char name[64] = {};
  size_t size = sizeof name - 1;
  if (sysctlbyname("machdep.cpu.brand_string", name, &size, nullptr, 0) != 0 || name[0] == '\0') return "unknown CPU";
  return name;
}

#else

IsaSet detect_isas() { return Isa::kScalar; }
std::string detect_cpu_name() { return "unknown CPU"; }

#endif

}  // namespace a8w8

#endif  // __aarch64__
