// The instructions on tiles, one function each. The kernels are written against these seven and nothing else of AMX, so
// that tests can put a model in plain C++ in their place: tests/support/emulated/kernels/amx_int8/tile_ops.h.
//
// They are not the compiler's intrinsics, because those of GCC (seen in GCC 12) are inline assembly that
// - pastes the text of a tile's number into the instruction: a template parameter T becomes "tmmT", which is none;
// - does not say that a tile is loaded from memory: filling a buffer beforehand is optimized away;
// - says that 8 of the 64 bytes of a configuration are read: the others are never written.
//
// Everything here is local to the file that includes it.
#pragma once

#include <cstdint>

namespace a8w8::amx_int8 {
namespace {

constexpr int kTileRows = 16, kTileBytes = 64;  // of the largest tile: rows, and bytes of a row

// The shapes of the eight tiles, in the form that the hardware reads. Palette 1 is the only one there is.
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

namespace tile {

// Takes the shapes and zeroes all tiles.
[[gnu::always_inline]] inline void load_config(const TileConfig& config) {
  __asm__ volatile("ldtilecfg %0" ::"m"(config));
}
[[gnu::always_inline]] inline void store_config(TileConfig& config) { __asm__ volatile("sttilecfg %0" : "=m"(config)); }
// No tile has a shape; the operating system has nothing to save.
[[gnu::always_inline]] inline void release() { __asm__ volatile("tilerelease"); }

template <int T>
[[gnu::always_inline]] inline void zero() {
  __asm__ volatile("tilezero %%tmm%c0" ::"i"(T));
}
// Rows of a tile from or to memory, each `stride` bytes after the one before.
template <int T>
[[gnu::always_inline]] inline void load(const void* x, int64_t stride) {
  __asm__ volatile("tileloadd (%0,%1), %%tmm%c2" ::"r"(x), "r"(stride), "i"(T) : "memory");
}
template <int T>
[[gnu::always_inline]] inline void store(void* x, int64_t stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1)" ::"r"(x), "r"(stride), "i"(T) : "memory");
}
// C(i, j) += sum of A(i, 4q + r) * B(q, 4j + r), bytes of A and B signed, C of int32.
template <int C, int A, int B>
[[gnu::always_inline]] inline void dot() {
  __asm__ volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
}

}  // namespace tile
}  // namespace
}  // namespace a8w8::amx_int8
