// Transposes of 16 x 16 elements of 32 bits: fours of k on the way in, sums on the way out. Local to the file that
// includes it.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace a8w8::amx_int8 {
namespace {

// Four registers of columns: y[e] is column 4q + e of the sixteen rows, which are `stride` bytes apart. Lanes of 128
// bits are brought together on the way from memory, where an insertion needs no shuffle; then 8 shuffles within lanes
// do the rest. A whole transpose so takes 32 shuffles, on the one port that has them, instead of 64.
[[gnu::always_inline]] inline void four_columns(const void* rows, int64_t stride, int q, __m512i (&y)[4]) {
  const char* const x = static_cast<const char*>(rows) + 16 * q;
  auto lane = [=](int64_t row) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + row * stride)); };
  __m512i t[4];  // rows r, 4 + r, 8 + r, 12 + r
#pragma GCC unroll 4
  for (int r = 0; r < 4; ++r) {
    t[r] = _mm512_castsi128_si512(lane(r));
    t[r] = _mm512_inserti32x4(t[r], lane(4 + r), 1);
    t[r] = _mm512_inserti32x4(t[r], lane(8 + r), 2);
    t[r] = _mm512_inserti32x4(t[r], lane(12 + r), 3);
  }
  const __m512i lo01 = _mm512_unpacklo_epi32(t[0], t[1]), hi01 = _mm512_unpackhi_epi32(t[0], t[1]);
  const __m512i lo23 = _mm512_unpacklo_epi32(t[2], t[3]), hi23 = _mm512_unpackhi_epi32(t[2], t[3]);
  y[0] = _mm512_unpacklo_epi64(lo01, lo23);
  y[1] = _mm512_unpackhi_epi64(lo01, lo23);
  y[2] = _mm512_unpacklo_epi64(hi01, hi23);
  y[3] = _mm512_unpackhi_epi64(hi01, hi23);
}

}  // namespace
}  // namespace a8w8::amx_int8
