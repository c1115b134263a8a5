// tdpbssd on tiles in registers. Six tiles of sums: one tdpbssd starts every 16 cycles, and a sum is back after 52.
// Reading is AVX-512's.
#include <immintrin.h>

#include "kernels/amx_int8/kernels.h"
#include "kernels/amx_int8/tile_ops.h"

namespace a8w8::amx_int8 {
namespace {

constexpr int kSums = 6;
constexpr int kMultiplyAdds = kTileRows * kTileBytes * 16;  // in one tdpbssd

}  // namespace

int64_t peak(int64_t steps, int32_t* seed) noexcept {
  TileConfig config;
  for (int t = 0; t < 8; ++t) config.rows[t] = kTileRows, config.row_bytes[t] = kTileBytes;
  tile::load_config(config);  // zeroes the sums
  alignas(64) int32_t operand[kTileRows][16];
  for (auto& row : operand) {
    for (int32_t& four : row) four = *seed;
  }
  tile::load<6>(operand, sizeof operand[0]);
  tile::load<7>(operand, sizeof operand[0]);
  for (int64_t s = 0; s < steps; ++s) {
    tile::dot<0, 6, 7>();
    tile::dot<1, 6, 7>();
    tile::dot<2, 6, 7>();
    tile::dot<3, 6, 7>();
    tile::dot<4, 6, 7>();
    tile::dot<5, 6, 7>();
  }
  tile::store<5>(operand, sizeof operand[0]);
  tile::release();
  *seed = operand[0][0];
  return steps * kSums * kMultiplyAdds;
}

}  // namespace a8w8::amx_int8
