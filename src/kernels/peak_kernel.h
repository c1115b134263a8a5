// The contract of the kernels that say what a machine can do: nothing but multiply-adds, nothing but loads. What other
// kernels reach is compared with these, in the same run.
#pragma once

#include <cstdint>

#include "a8w8/isa.h"

namespace a8w8 {

// Runs `steps` steps of the instruction set's multiply-add on registers, on as many independent sums as it takes to
// keep its units busy, and returns the number of integer multiply-adds done. `seed` goes into the operands and the sums
// come out of it, so that nothing can be left out; its value has no meaning.
using PeakFn = int64_t(int64_t steps, int32_t* seed) noexcept;

// Reads `bytes` bytes with the widest loads and returns the bitwise or of all their 64-bit words. The memory is read as
// `streams` equal parts side by side, kReadStep bytes of each in turn, and each load asks for what lies `ahead` bytes
// further on (0: it does not). Which of these is fastest differs from machine to machine. `bytes` is a multiple of
// streams * kReadStep.
inline constexpr int64_t kReadStep = 256;
using ReadFn = uint64_t(const void* data, int64_t bytes, int64_t streams, int64_t ahead) noexcept;

struct PeakKernel {
  const char* name;  // peak_<isa>
  IsaSet needs;
  PeakFn* run;
  ReadFn* read;
};

}  // namespace a8w8
