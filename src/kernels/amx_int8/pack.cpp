// Packing for the AMX kernels. Rows of a are tiles of the gemm kernel where they lie. A block of 64 k:
//
//   b, four operand tiles of 16 columns, 1 KiB each, a row of which holds four k of each column:
//     columns 0..15 │ [b(k0,0) .. b(k0+3,0)]    [b(k0,1) ..]    ... [.. b(k0+3,15)]
//                   │ [b(k0+4,0) .. b(k0+7,0)]  ...                                    16 rows of 64 bytes
//     columns 16..31│ ...
//   a of the dot kernel, the second operand there: such a tile for each 16 rows of a, narrower for the last ones:
//     rows 0..15    │ [a(0,k0) .. a(0,k0+3)]    [a(1,k0) ..]    ... [.. a(15,k0+3)]
//                   │ [a(0,k0+4) .. ]           ...                                    16 rows of 64 bytes
//     rows 16..17   │ [a(16,k0) .. a(16,k0+3)]  [a(17,k0) ..]                          16 rows of 8 bytes, if m = 18
// E.g. b(70,17) is byte 1*(64*64) + 1*1024 + (6/4)*64 + 1*4 + 6%4 = 5190 of its panel.
#include <immintrin.h>

#include <cstring>

#include "kernels/amx_int8/kernels.h"
#include "kernels/amx_int8/transpose.h"

namespace a8w8::amx_int8 {
namespace {

constexpr int kGroup = 16;  // rows of a or columns of b in a tile
constexpr int64_t kTile = kGroup * kKr;
static_assert(kMr == 2 * kGroup && kNr == 4 * kGroup && kKr == 64 && kDotKr == kKr);

int64_t at_most(int64_t x, int64_t limit) { return x < limit ? x : limit; }

// The first `count` bytes; all 64 where there are more.
__mmask64 first_of_64(int64_t count) { return count < 64 ? (uint64_t{1} << count) - 1 : ~uint64_t{0}; }

// Sixteen lines, rows of a or columns of b, by 64 k, filled up with zeros where there are fewer.
struct Square {
  alignas(64) int8_t bytes[kGroup][kKr];

  void fill(const int8_t* x, int64_t line_stride, int64_t k_stride, int64_t lines, int64_t k) {
    for (int64_t i = 0; i < kGroup; ++i) {
      const int8_t* line = x + i * line_stride;
      if (i >= lines) {
        std::memset(bytes[i], 0, kKr);
      } else if (k_stride == 1) {
        _mm512_storeu_si512(bytes[i], _mm512_maskz_loadu_epi8(first_of_64(k), line));
      } else {
        for (int64_t p = 0; p < kKr; ++p) bytes[i][p] = p < k ? line[p * k_stride] : int8_t{0};
      }
    }
  }
};

// A tile out of up to 16 lines by up to 64 k: row q holds the q-th four of k of each line. `width` lines are stored.
void pack_tile(const int8_t* x, int64_t line_stride, int64_t k_stride, int64_t lines, int64_t k, int64_t width,
               int8_t* out) {
  Square square;
  if (k_stride != 1 || lines < kGroup || k < kKr) {
    square.fill(x, line_stride, k_stride, lines, k);
    x = square.bytes[0], line_stride = kKr;
  }
  const __mmask16 stored = static_cast<__mmask16>((1u << width) - 1);
#pragma GCC unroll 4
  for (int q = 0; q < 4; ++q) {
    __m512i y[4];
    four_columns(x, line_stride, q, y);
#pragma GCC unroll 4
    for (int e = 0; e < 4; ++e) _mm512_mask_storeu_epi32(out + (4 * q + e) * width * 4, stored, y[e]);
  }
}

// A weight stored k x n, a block of up to 64 k: four rows are interleaved, 64 columns at a time.
void pack_b_along_n(const int8_t* b, int64_t k_stride, int64_t k, int64_t cols, int8_t* out) {
  const __mmask64 mask = first_of_64(cols);
  for (int64_t p = 0; p < kKr; p += 4, out += 64) {
    __m512i row[4];
    for (int64_t q = 0; q < 4; ++q) {
      row[q] = p + q < k ? _mm512_maskz_loadu_epi8(mask, b + (p + q) * k_stride) : _mm512_setzero_si512();
    }
    const __m512i lo01 = _mm512_unpacklo_epi8(row[0], row[1]), hi01 = _mm512_unpackhi_epi8(row[0], row[1]);
    const __m512i lo23 = _mm512_unpacklo_epi8(row[2], row[3]), hi23 = _mm512_unpackhi_epi8(row[2], row[3]);
    const __m512i x0 = _mm512_unpacklo_epi16(lo01, lo23);  // lane l: fours of columns 16l .. 16l + 3
    const __m512i x1 = _mm512_unpackhi_epi16(lo01, lo23);  // 16l + 4 .. 16l + 7
    const __m512i x2 = _mm512_unpacklo_epi16(hi01, hi23);
    const __m512i x3 = _mm512_unpackhi_epi16(hi01, hi23);
    const __m512i low01 = _mm512_shuffle_i32x4(x0, x1, 0x44), low23 = _mm512_shuffle_i32x4(x2, x3, 0x44);
    const __m512i high01 = _mm512_shuffle_i32x4(x0, x1, 0xee), high23 = _mm512_shuffle_i32x4(x2, x3, 0xee);
    _mm512_storeu_si512(out, _mm512_shuffle_i32x4(low01, low23, 0x88));
    _mm512_storeu_si512(out + kTile, _mm512_shuffle_i32x4(low01, low23, 0xdd));
    _mm512_storeu_si512(out + 2 * kTile, _mm512_shuffle_i32x4(high01, high23, 0x88));
    _mm512_storeu_si512(out + 3 * kTile, _mm512_shuffle_i32x4(high01, high23, 0xdd));
  }
}

}  // namespace

void row_init(const int8_t*, int64_t, int64_t rows, int64_t, int32_t* init) noexcept {
  for (int64_t i = 0; i < rows; ++i) init[i] = 0;
}

// The tile reads rows where they lie; those that are not contiguous are copied.
void pack_a(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
            int32_t* row_init) noexcept {
  int8_t* out = static_cast<int8_t*>(panel);
  for (int64_t i = 0; i < rows; ++i) {
    row_init[i] = 0;
    for (int64_t p = 0; p < k; p += kKr, out += kKr) {
      const int8_t* x = a + i * row_stride + p * k_stride;
      if (k_stride == 1) {
        _mm512_storeu_si512(out, _mm512_maskz_loadu_epi8(first_of_64(k - p), x));
      } else {
        for (int64_t q = 0; q < kKr; ++q) out[q] = p + q < k ? x[q * k_stride] : int8_t{0};
      }
    }
  }
}

void pack_dot_a(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
                int32_t* row_init) noexcept {
  int8_t* out = static_cast<int8_t*>(panel);
  for (int64_t i = 0; i < rows; ++i) row_init[i] = 0;
  for (int64_t p = 0; p < k; p += kKr) {
    for (int64_t i = 0; i < rows; i += kGroup) {
      const int64_t lines = at_most(rows - i, kGroup);
      pack_tile(a + i * row_stride + p * k_stride, row_stride, k_stride, lines, at_most(k - p, kKr), lines, out);
      out += lines * kKr;
    }
  }
}

// Missing columns become zeros. Sixteen columns from end to end before the next sixteen: more rows at once than that
// the hardware does not foresee.
void pack_b(const int8_t* b, int64_t k_stride, int64_t n_stride, int64_t k, int64_t cols, void* panel) noexcept {
  int8_t* const out = static_cast<int8_t*>(panel);
  if (n_stride == 1 && k_stride != 1) {
    for (int64_t p = 0; p < k; p += kKr) {
      pack_b_along_n(b + p * k_stride, k_stride, at_most(k - p, kKr), cols, out + p * kNr);
    }
    return;
  }
  for (int64_t j = 0; j < kNr; j += kGroup) {
    const int64_t lines = j < cols ? at_most(cols - j, kGroup) : 0;
    const int8_t* const x = b + (lines ? j * n_stride : 0);
    for (int64_t p = 0; p < k; p += kKr) {
      pack_tile(x + p * k_stride, n_stride, k_stride, lines, at_most(k - p, kKr), kGroup, out + p * kNr + j * kKr);
    }
  }
}

}  // namespace a8w8::amx_int8
