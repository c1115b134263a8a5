// Rows of a times rows of b as they lie: the transposed product. The first operand of tdpbssd is 16 rows x 64 bytes,
// and that is what 16 rows of b are in memory, so b is not packed, not even in registers. Packing a gives the second
// operand (pack.cpp). A tile of sums is a piece of c transposed, 16 columns by up to 16 rows, put right on the way to
// c.
//
// tdpbssd takes 16 cycles for 16 rows of its first operand, whatever the width of the second. So up to 16 rows of a
// cost the same, and a tile of b, 1 KiB, is used up in 16 cycles: 64 bytes a cycle, all that L2 promises and several
// times what memory does. With more rows two tiles of a meet two of b, 2 x 2 tiles of sums, as in gemm.cpp.
//
// Storing and transposing 16 x 16 sums takes some 50 cycles (16 for the tile; 32 for the transpose, by llvm-mca with
// the ports of Ice Lake) after k / 4 of multiplying. Packing a tile of b for gemm takes as long, once for all rows, so
// the roads meet at m = k / 4: k_per_row. max_m is 128 so that a and the sums leave room in L2.
//
// 64 columns are computed at a time, 32 with more than 16 rows. With more than 32 rows, so many of b are taken together
// as fit into a quarter of L2, so that memory is read once: by the first rows of a, which meanwhile fetch the rows of b
// that come next, see [next-rows] in kernels/avx2/dot.cpp.
//
// Tails: the odd end of k is copied to a buffer of whole tiles, filled up with zeros; of n, there are tiles of fewer
// rows; of m, narrower ones. Shapes are loaded when they change (200 cycles; a call is long) and released at the end.
//
// Cycles are those of Intel's optimization manual. Not measured on hardware.
#include <immintrin.h>

#include <cstring>

#include "kernels/amx_int8/kernels.h"
#include "kernels/amx_int8/tile_ops.h"
#include "kernels/amx_int8/transpose.h"

namespace a8w8::amx_int8 {
namespace {

static_assert(kDotKr == kTileBytes);
constexpr int64_t kBlockBytes = 512 << 10;  // of b that are taken together: a quarter of L2

// Up to 32 rows of a.
struct Group {
  const int8_t* a;        // of the first one in the first block of k
  int64_t a_step;         // from one block of k to the next
  int64_t first, second;  // rows in the two tiles of a
  const int32_t* init;
  int64_t k;
  int64_t ldb;
  int32_t* c;
  int64_t ldc;
};

// Sums are tiles 0 to 3. With one tile of a (M = 1) that is 4, tiles of b are 5 to 7; with two, 6 and 7 are a, 4 and 5
// b.
void configure(const Group& g, int64_t cols) {
  TileConfig config;
  for (int t = 0; t < 8; ++t) {
    config.rows[t] = static_cast<uint8_t>(cols);
    config.row_bytes[t] = static_cast<uint16_t>(t < 4 ? g.first * 4 : kTileBytes);
  }
  const auto is_a = [&](int t, int64_t rows) {
    config.rows[t] = kTileRows;
    config.row_bytes[t] = static_cast<uint16_t>(rows * 4);
  };
  if (g.second) {
    config.row_bytes[1] = config.row_bytes[3] = static_cast<uint16_t>(g.second * 4);
    is_a(6, g.first);
    is_a(7, g.second);
  } else {
    is_a(4, g.first);
  }
  tile::load_config(config);
}

// A step of k = 64: N tiles of b, M of a. Sums of tile n of b and m of a are tile n * M + m.
template <int N, int M>
[[gnu::always_inline]] inline void step(const Group& g, const int8_t* a, const int8_t* b, int64_t ldb) {
  const int8_t* const a1 = a + kTileRows * kTileBytes;
  if constexpr (M == 1) {
    tile::load<4>(a, g.first * 4);
    tile::load<5>(b, ldb);
    tile::dot<0, 5, 4>();
    if constexpr (N > 1) {
      tile::load<6>(b + 16 * ldb, ldb);
      tile::dot<1, 6, 4>();
    }
    if constexpr (N > 2) {
      tile::load<7>(b + 32 * ldb, ldb);
      tile::dot<2, 7, 4>();
    }
    if constexpr (N > 3) {
      tile::load<5>(b + 48 * ldb, ldb);
      tile::dot<3, 5, 4>();
    }
  } else {
    tile::load<6>(a, g.first * 4);
    tile::load<4>(b, ldb);
    tile::dot<0, 4, 6>();
    tile::load<7>(a1, g.second * 4);
    tile::dot<1, 4, 7>();
    if constexpr (N > 1) {
      tile::load<5>(b + 16 * ldb, ldb);
      tile::dot<2, 5, 6>();
      tile::dot<3, 5, 7>();
    }
  }
}

template <int T, int kCount>
[[gnu::always_inline]] inline void zero_tiles() {
  tile::zero<T>();
  if constexpr (T + 1 < kCount) zero_tiles<T + 1, kCount>();
}

using Sums = int32_t[kTileRows][16];

template <int T, int kCount>
[[gnu::always_inline]] inline void store_tiles(Sums* sums) {
  tile::store<T>(sums[T], sizeof sums[T][0]);
  if constexpr (T + 1 < kCount) store_tiles<T + 1, kCount>(sums);
}

// A tile of sums, transposed, plus what its rows start from: `rows` x `cols` of c.
void store_transposed(const Sums& sums, int64_t rows, int64_t cols, const int32_t* init, int32_t* c, int64_t ldc) {
  const __mmask16 stored = static_cast<__mmask16>((1u << cols) - 1);
  for (int q = 0; 4 * q < rows; ++q) {
    __m512i y[4];
    four_columns(sums, sizeof sums[0], q, y);
    for (int64_t i = 4 * q; i < 4 * q + 4 && i < rows; ++i) {
      _mm512_mask_storeu_epi32(c + i * ldc, stored, _mm512_add_epi32(y[i - 4 * q], _mm512_set1_epi32(init[i])));
    }
  }
}

// N tiles of b, of `cols` rows each, from row j on; N * cols columns of c. Rows of b that are `ahead` bytes further are
// needed next; none are where it is 0.
template <int N, int M>
void columns(const Group& g, const int8_t* b, int64_t cols, int64_t ahead, int64_t j) {
  const int64_t whole = g.k / kTileBytes * kTileBytes, odd = g.k - whole;
  zero_tiles<0, N * M>();
  const int8_t* a = g.a;
  for (int64_t p = 0; p < whole; p += kTileBytes, a += g.a_step) {
    if (ahead) {
      const int8_t* next = b + p + ahead;
      for (int r = 0; r < N * kTileRows; ++r, next += g.ldb) {
        _mm_prefetch(reinterpret_cast<const char*>(next), _MM_HINT_T1);
      }
    }
    step<N, M>(g, a, b + p, g.ldb);
  }
  if (odd) {
    alignas(64) int8_t tail[N * kTileRows][kTileBytes];
    const __mmask64 mask = (uint64_t{1} << odd) - 1;
    for (int64_t r = 0; r < N * cols; ++r) {
      _mm512_storeu_si512(tail[r], _mm512_maskz_loadu_epi8(mask, b + r * g.ldb + whole));
    }
    step<N, M>(g, a, tail[0], kTileBytes);
  }
  alignas(64) Sums sums[N * M];
  store_tiles<0, N * M>(sums);
  for (int n = 0; n < N; ++n, j += cols) {
    store_transposed(sums[n * M], g.first, cols, g.init, g.c + j, g.ldc);
    if constexpr (M == 2) {
      store_transposed(sums[n * M + 1], g.second, cols, g.init + kTileRows, g.c + kTileRows * g.ldc + j, g.ldc);
    }
  }
}

using ColumnsFn = void(const Group& g, const int8_t* b, int64_t cols, int64_t ahead, int64_t j);
constexpr ColumnsFn* kColumns[2][4] = {{columns<1, 1>, columns<2, 1>, columns<3, 1>, columns<4, 1>},
                                       {columns<1, 2>, columns<2, 2>}};

// A group of rows of a against rows j .. end - 1 of b.
void rows_by_columns(const Group& g, const int8_t* b, int64_t j, int64_t end, bool fetch_ahead) {
  ColumnsFn* const* const functions = kColumns[g.second != 0];
  const int64_t tiles = g.second ? 2 : 4, wide = tiles * kTileRows;
  if (end - j >= kTileRows) configure(g, kTileRows);
  for (; j + wide <= end; j += wide) {
    const int64_t ahead = fetch_ahead && j + 2 * wide <= end ? wide * g.ldb : 0;
    functions[tiles - 1](g, b + j * g.ldb, kTileRows, ahead, j);
  }
  if (const int64_t left = (end - j) / kTileRows) {
    functions[left - 1](g, b + j * g.ldb, kTileRows, 0, j);
    j += left * kTileRows;
  }
  if (j < end) {
    configure(g, end - j);
    functions[0](g, b + j * g.ldb, end - j, 0, j);
  }
}

}  // namespace

void dot(int64_t m, int64_t n, int64_t k, const void* a_panel, const int32_t* row_init, const int8_t* b, int64_t ldb,
         int32_t* c, int64_t ldc) noexcept {
  const int8_t* a = static_cast<const int8_t*>(a_panel);
  const int64_t fit = kBlockBytes / k / 64 * 64;
  const int64_t block = m <= kMr ? n : fit < 64 ? 64 : fit;
  for (int64_t j = 0; j < n; j += block) {
    const int64_t end = j + block < n ? j + block : n;
    for (int64_t i = 0; i < m; i += kMr) {
      const int64_t rows = m - i < kMr ? m - i : kMr;
      const int64_t first = rows < kTileRows ? rows : kTileRows;
      const Group g{a + i * kDotKr, m * kDotKr, first, rows - first, row_init + i, k, ldb, c + i * ldc, ldc};
      rows_by_columns(g, b, j, end, i == 0);
    }
  }
  tile::release();
}

}  // namespace a8w8::amx_int8
