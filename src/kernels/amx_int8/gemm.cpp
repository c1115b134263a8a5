// The AMX tile: 32 x 64 sums, k by 64. tdpbssd adds to 16 x 16 sums the products of 16 rows x 64 bytes of a and of 16
// fours of k x 16 columns of b; both are signed and sums are exact modulo 2^32, so nothing needs compensation.
//
// Eight tiles: 2 x 2 of sums, 2 of a, 2 of b, twice over for the 64 columns. A step of k = 64 is 4 tdpbssd, 16 cycles
// each on the one multiplier, and 4 loads of tiles, 8 cycles each from L1: half the time of the multiplier, and no
// other split of eight tiles loads less for a product. L2 is what limits large k: a step reads 4 KiB in 64 cycles,
// which is all that L2 promises and more than it keeps. Blocks of k that fit L1 would read less of a and b, and more of
// c. Up to 16 rows take 1 x 4 tiles of sums, so that b, which may come from memory, is read once and in order.
//
// Rows of a are tiles as they lie in memory, so nothing is packed but b. That rows with a stride of 4096 bytes share a
// set of L1 does no harm: a tile takes whole lines, each once.
//
// The transposed product of dot.cpp would transpose sums here too, 50 cycles for 16 x 16 of them that took k / 4. A
// weight packed once for this tile pays for a transpose once, and a weight stored n x k takes this road only with so
// many rows that packing it matters less.
//
// [tile-config] The shapes of tiles belong to the thread, and whoever else computes on it may have changed them.
// Loading them takes some 200 cycles, a quarter of a call with k = 384; looking at them takes some 20. So a call looks,
// and loads them only where they differ. It leaves them as they are, for the next call most likely wants the same; that
// costs 8 KiB more in each switch of threads until somebody releases them, as dot does at its end.
//
// Cycles are those of Intel's optimization manual. Not measured on hardware.
#include <immintrin.h>

#include <cstring>

#include "kernels/amx_int8/kernels.h"
#include "kernels/amx_int8/tile_ops.h"

namespace a8w8::amx_int8 {
namespace {

static_assert(kMr == 2 * kTileRows && kNr == 4 * kTileRows && kKr == kTileBytes);
constexpr int64_t kTile = kTileRows * kTileBytes;  // bytes of a tile of b

// Sums are tiles 0 to 3. Up to 16 rows: 4 is a, 5 to 7 are b. More: 0 and 1 are the first 16 rows, 4 and 5 a, 6 and 7
// b.
struct Configs {
  TileConfig of_rows[kMr + 1];
};
constexpr Configs make_configs() {
  Configs configs;
  for (int rows = 1; rows <= kMr; ++rows) {
    TileConfig& config = configs.of_rows[rows];
    const int first = rows < kTileRows ? rows : kTileRows, second = rows - first;
    for (int t = 0; t < 8; ++t) {
      config.row_bytes[t] = kTileBytes;
      config.rows[t] = static_cast<uint8_t>(t < 5 ? first : kTileRows);
    }
    if (second) config.rows[2] = config.rows[3] = config.rows[5] = static_cast<uint8_t>(second);
  }
  return configs;
}
constexpr Configs kConfigs = make_configs();

void use_config(const TileConfig& wanted) {
  TileConfig current;
  tile::store_config(current);
  if (std::memcmp(&current, &wanted, sizeof wanted) != 0) tile::load_config(wanted);
}

// Whether the sums start from c, which then holds what they start from.
bool start_from_c(int64_t rows, const int32_t* row_init, int32_t* c, int64_t ldc) {
  if (row_init == nullptr) return true;
  int32_t any = 0;
  for (int64_t i = 0; i < rows; ++i) any |= row_init[i];
  if (any == 0) return false;  // as pack_a leaves it
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < kNr; ++j) c[i * ldc + j] = row_init[i];
  }
  return true;
}

template <int T>
[[gnu::always_inline]] inline void begin(bool from_c, const int32_t* c, int64_t ldc) {
  from_c ? tile::load<T>(c, ldc * 4) : tile::zero<T>();
}

// a, row by row, of which the last k % 64 bytes stand in `tail`, filled up with zeros.
struct Rows {
  const int8_t* a;
  int64_t a_stride, k;
  alignas(64) int8_t tail[kMr][kTileBytes];
};

// k by 64: step(a, a_stride, b), where a holds 64 bytes of each row.
template <class Step>
[[gnu::always_inline]] inline void for_each_step(const Rows& x, const int8_t* b, Step step) {
  const int64_t whole = x.k / kKr * kKr;
  for (int64_t p = 0; p < whole; p += kKr, b += kNr * kKr) step(x.a + p, x.a_stride, b);
  if (whole < x.k) step(x.tail[0], kTileBytes, b);
}

// Up to 16 rows, 64 columns.
void one_by_four(const Rows& x, const int8_t* b_panel, bool from_c, int32_t* c, int64_t ldc) {
  begin<0>(from_c, c, ldc);
  begin<1>(from_c, c + 16, ldc);
  begin<2>(from_c, c + 32, ldc);
  begin<3>(from_c, c + 48, ldc);
  for_each_step(
      x, b_panel, [](const int8_t* a, int64_t a_stride, const int8_t* b) __attribute__((always_inline)) {
        tile::load<4>(a, a_stride);
        tile::load<5>(b, kTileBytes);
        tile::dot<0, 4, 5>();
        tile::load<6>(b + kTile, kTileBytes);
        tile::dot<1, 4, 6>();
        tile::load<7>(b + 2 * kTile, kTileBytes);
        tile::dot<2, 4, 7>();
        tile::load<5>(b + 3 * kTile, kTileBytes);
        tile::dot<3, 4, 5>();
      });
  tile::store<0>(c, ldc * 4);
  tile::store<1>(c + 16, ldc * 4);
  tile::store<2>(c + 32, ldc * 4);
  tile::store<3>(c + 48, ldc * 4);
}

// 17 to 32 rows, 32 columns.
void two_by_two(const Rows& x, const int8_t* b_panel, bool from_c, int32_t* c, int64_t ldc) {
  int32_t* const c1 = c + kTileRows * ldc;
  begin<0>(from_c, c, ldc);
  begin<1>(from_c, c + 16, ldc);
  begin<2>(from_c, c1, ldc);
  begin<3>(from_c, c1 + 16, ldc);
  for_each_step(
      x, b_panel, [](const int8_t* a, int64_t a_stride, const int8_t* b) __attribute__((always_inline)) {
        tile::load<6>(b, kTileBytes);
        tile::load<4>(a, a_stride);
        tile::dot<0, 4, 6>();
        tile::load<5>(a + kTileRows * a_stride, a_stride);
        tile::dot<2, 5, 6>();
        tile::load<7>(b + kTile, kTileBytes);
        tile::dot<1, 4, 7>();
        tile::dot<3, 5, 7>();
      });
  tile::store<0>(c, ldc * 4);
  tile::store<1>(c + 16, ldc * 4);
  tile::store<2>(c1, ldc * 4);
  tile::store<3>(c1 + 16, ldc * 4);
}

}  // namespace

void gemm(int64_t rows, int64_t k, const void* a, int64_t a_stride, const void* b_panel, const int32_t* row_init,
          int32_t* c, int64_t ldc) noexcept {
  const int8_t* const b = static_cast<const int8_t*>(b_panel);
  Rows x;
  x.a = static_cast<const int8_t*>(a), x.a_stride = a_stride, x.k = k;
  if (const int64_t odd = k % kKr) {
    const __mmask64 mask = (uint64_t{1} << odd) - 1;
    for (int64_t i = 0; i < rows; ++i) {
      _mm512_storeu_si512(x.tail[i], _mm512_maskz_loadu_epi8(mask, x.a + i * a_stride + (k - odd)));
    }
  }
  use_config(kConfigs.of_rows[rows]);
  const bool from_c = start_from_c(rows, row_init, c, ldc);
  if (rows <= kTileRows) return one_by_four(x, b, from_c, c, ldc);
  two_by_two(x, b, from_c, c, ldc);
  two_by_two(x, b + 2 * kTile, from_c, c + 32, ldc);
}

}  // namespace a8w8::amx_int8
