// Stands in for src/kernels/amx_int8/tile_ops.h where the AMX kernels are compiled a second time, for the tests: the
// same functions as a model of the tile registers in plain C++, after the instructions' pages in Intel's manual
// (palette 1).
//
// What the hardware answers with an exception ends the test here: reserved bytes or sizes out of bounds in a
// configuration, a tile without a shape, shapes of operands that do not fit together, one register in two roles.
// Loading a configuration zeroes all tiles, loading a tile zeroes what lies outside of its shape, and memory is touched
// only where the shape says so, row by row, so that guard pages and sanitizers see it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace emulated {

constexpr int kTiles = 8, kMaxRows = 16, kMaxRowBytes = 64;

struct TileState {
  bool configured = false;
  uint8_t config[64] = {};
  int rows[kTiles] = {}, row_bytes[kTiles] = {};
  int8_t data[kTiles][kMaxRows][kMaxRowBytes] = {};
};
inline thread_local TileState tiles;

inline void require_tile(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "AMX model: %s\n", what);
  std::abort();
}

inline void require_shape(int t) { require_tile(tiles.configured && tiles.rows[t] > 0, "#UD: a tile without a shape"); }

inline void load_config(const uint8_t* bytes) {
  TileState next;
  const uint8_t palette = bytes[0];
  require_tile(palette <= 1, "#GP: no such palette");
  if (palette == 1) {
    next.configured = true;
    std::memcpy(next.config, bytes, sizeof next.config);
    for (int i = 1; i < 64; ++i) {
      const bool reserved = i < 16 || (i >= 32 && i < 48) || i >= 56;  // and start_row, which nothing here restarts at
      require_tile(!reserved || bytes[i] == 0, "#GP: a reserved byte of the configuration");
    }
    for (int t = 0; t < kTiles; ++t) {
      next.rows[t] = bytes[48 + t];
      next.row_bytes[t] = bytes[16 + 2 * t] | bytes[17 + 2 * t] << 8;
      require_tile(next.rows[t] <= kMaxRows && next.row_bytes[t] <= kMaxRowBytes, "#GP: a tile too large");
      require_tile((next.rows[t] == 0) == (next.row_bytes[t] == 0),
                   "#GP: a tile of rows without bytes, or none of some");
    }
  }
  tiles = next;
}

inline void load_tile(int t, const void* x, int64_t stride) {
  require_shape(t);
  std::memset(tiles.data[t], 0, sizeof tiles.data[t]);
  for (int64_t i = 0; i < tiles.rows[t]; ++i) {
    std::memcpy(tiles.data[t][i], static_cast<const int8_t*>(x) + i * stride, static_cast<size_t>(tiles.row_bytes[t]));
  }
}

inline void store_tile(int t, void* x, int64_t stride) {
  require_shape(t);
  for (int64_t i = 0; i < tiles.rows[t]; ++i) {
    std::memcpy(static_cast<int8_t*>(x) + i * stride, tiles.data[t][i], static_cast<size_t>(tiles.row_bytes[t]));
  }
}

inline void dot_tiles(int c, int a, int b) {
  require_shape(c), require_shape(a), require_shape(b);
  require_tile(c != a && c != b && a != b, "#UD: one tile in two roles");
  require_tile(tiles.row_bytes[c] % 4 == 0 && tiles.row_bytes[a] % 4 == 0 && tiles.row_bytes[b] % 4 == 0,
               "#UD: rows that are no whole elements");
  require_tile(tiles.row_bytes[a] / 4 == tiles.rows[b], "#UD: a's depth is not b's");
  require_tile(tiles.rows[c] == tiles.rows[a], "#UD: c's rows are not a's");
  require_tile(tiles.row_bytes[c] == tiles.row_bytes[b], "#UD: c's columns are not b's");
  for (int i = 0; i < tiles.rows[c]; ++i) {
    uint32_t sums[kMaxRowBytes / 4];  // they wrap, as the hardware's do
    std::memcpy(sums, tiles.data[c][i], sizeof sums);
    for (int q = 0; q < tiles.rows[b]; ++q) {
      for (int j = 0; j < tiles.row_bytes[c] / 4; ++j) {
        for (int r = 0; r < 4; ++r) {
          sums[j] += static_cast<uint32_t>(tiles.data[a][i][4 * q + r] * tiles.data[b][q][4 * j + r]);
        }
      }
    }
    std::memcpy(tiles.data[c][i], sums, sizeof sums);
  }
}

}  // namespace emulated

namespace a8w8::amx_int8 {
namespace {

constexpr int kTileRows = 16, kTileBytes = 64;

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

namespace tile {

inline void load_config(const TileConfig& config) { emulated::load_config(reinterpret_cast<const uint8_t*>(&config)); }
inline void store_config(TileConfig& config) { std::memcpy(&config, emulated::tiles.config, sizeof config); }
inline void release() { emulated::tiles = emulated::TileState(); }

template <int T>
void zero() {
  emulated::require_shape(T);
  std::memset(emulated::tiles.data[T], 0, sizeof emulated::tiles.data[T]);
}
template <int T>
void load(const void* x, int64_t stride) {
  emulated::load_tile(T, x, stride);
}
template <int T>
void store(void* x, int64_t stride) {
  emulated::store_tile(T, x, stride);
}
template <int C, int A, int B>
void dot() {
  emulated::dot_tiles(C, A, B);
}

}  // namespace tile
}  // namespace
}  // namespace a8w8::amx_int8
