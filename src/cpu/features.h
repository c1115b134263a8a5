// What the CPU and the operating system together offer.
#pragma once

#include <string>

#include "a8w8/isa.h"

namespace a8w8 {

// Asks CPUID and XCR0, and Linux for the permission to use AMX tiles; on Arm, Linux or macOS. Costs a few microseconds;
// callers keep the answer.
IsaSet detect_isas();
std::string detect_cpu_name();

}  // namespace a8w8
