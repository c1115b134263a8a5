// What plain C++ can do is what the compiler makes of it: sums of products of int16 pairs, which compilers know to be a
// multiply-add instruction where the machine has one (pmaddwd on every x86-64).
#include "kernels/scalar/kernels.h"

namespace a8w8::scalar {
namespace {

constexpr int kRows = 2, kDepth = 256;

uint64_t word(const uint8_t* p) {
  uint64_t w;
  __builtin_memcpy(&w, p, sizeof w);
  return w;
}

}  // namespace

int64_t peak(int64_t steps, int32_t* seed) noexcept {
  const uint32_t start = static_cast<uint32_t>(*seed);
  int16_t a[kRows][kDepth], b[kRows][kDepth];
  for (int i = 0; i < kRows; ++i) {
    for (int q = 0; q < kDepth; ++q) {
      a[i][q] = static_cast<int16_t>((start + 37u * i + q) % 128);
      b[i][q] = static_cast<int16_t>((start - 11u * i + q) % 128);
    }
  }
  uint32_t acc[kRows][kRows] = {};
  for (int64_t s = 0; s < steps; ++s) {
    for (int i = 0; i < kRows; ++i) {
      for (int j = 0; j < kRows; ++j) {
        int32_t sum = 0;
        for (int q = 0; q < kDepth; ++q) sum += a[i][q] * b[j][q];
        acc[i][j] += static_cast<uint32_t>(sum);
      }
    }
    a[s % kRows][s % kDepth] ^= 1;  // no step is like the one before
  }
  uint32_t total = 0;
  for (const auto& row : acc) {
    for (uint32_t x : row) total += x;
  }
  *seed = static_cast<int32_t>(total);
  return steps * kRows * kRows * kDepth;
}

uint64_t read(const void* data, int64_t bytes, int64_t streams, int64_t ahead) noexcept {
  constexpr int kLine = 64;
  const int64_t part = bytes / streams;
  uint64_t acc[kLine / 8] = {};
  for (int64_t at = 0; at < part; at += kReadStep) {
    for (int64_t s = 0; s < streams; ++s) {
      const uint8_t* p = static_cast<const uint8_t*>(data) + s * part + at;
      for (int line = 0; line < kReadStep; line += kLine) {
        if (ahead) __builtin_prefetch(p + line + ahead);
        for (int i = 0; i < kLine / 8; ++i) acc[i] |= word(p + line + 8 * i);
      }
    }
  }
  uint64_t all = 0;
  for (uint64_t x : acc) all |= x;
  return all;
}

}  // namespace a8w8::scalar
