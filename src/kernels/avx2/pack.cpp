// Packing for the AVX2 tile, the usual blocks: a as pairs of int16, b as pairs of int8; and rows of a for the dot
// kernel.
#include <immintrin.h>

#include <cstring>

#include "kernels/avx2/kernels.h"

namespace a8w8::avx2 {
namespace {

static_assert(kMr == 6 && kNr == 16 && kKr == 2);

constexpr int64_t kGroup = 8, kBlock = 32;  // columns of b that are read at once, and k
constexpr int64_t kPackAhead = 256;         // bytes

__m128i load8(const int8_t* x) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(x)); }
__m128i load16(const int8_t* x) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(x)); }
__m256i load32(const int8_t* x) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)); }
void store16(void* out, __m128i v) { _mm_storeu_si128(static_cast<__m128i*>(out), v); }

// The first `count` <= 16 bytes, then zeros.
__m128i load_tail(const int8_t* x, int64_t count) {
  alignas(16) int8_t bytes[16] = {};
  std::memcpy(bytes, x, static_cast<size_t>(count));
  return load16(bytes);
}

// Any strides, k from p0 on, which is even.
void pack_a_pairs(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t p0, int64_t k,
                  int16_t* out) {
  for (int64_t p = p0; p < k; p += kKr) {
    for (int64_t i = 0; i < rows; ++i, out += kKr) {
      const int8_t* x = a + i * row_stride + p * k_stride;
      out[0] = x[0];
      out[1] = p + 1 < k ? x[k_stride] : int16_t{0};
    }
  }
}

// Eight k of up to six rows, each a vector of four pairs: the transpose is four groups of `rows` pairs. A group is
// stored as eight pairs, of which the next group covers what is too much; so this writes 32 - 4 * rows bytes beyond the
// block. (A masked store would not, but takes a dozen cycles on a Zen 3.)
void store_a_block(const __m128i (&row)[kMr], int64_t rows, int16_t* out) {
  const __m128i lo01 = _mm_unpacklo_epi32(row[0], row[1]), hi01 = _mm_unpackhi_epi32(row[0], row[1]);
  const __m128i lo23 = _mm_unpacklo_epi32(row[2], row[3]), hi23 = _mm_unpackhi_epi32(row[2], row[3]);
  const __m128i lo45 = _mm_unpacklo_epi32(row[4], row[5]), hi45 = _mm_unpackhi_epi32(row[4], row[5]);
  const __m128i first[4] = {_mm_unpacklo_epi64(lo01, lo23), _mm_unpackhi_epi64(lo01, lo23),
                            _mm_unpacklo_epi64(hi01, hi23), _mm_unpackhi_epi64(hi01, hi23)};
  const __m128i last[4] = {lo45, _mm_unpackhi_epi64(lo45, lo45), hi45, _mm_unpackhi_epi64(hi45, hi45)};
  for (int g = 0; g < 4; ++g, out += rows * kKr) {
    store16(out, first[g]);
    store16(out + 4 * kKr, last[g]);
  }
}

// 32 k of eight columns, contiguous along k, to sixteen groups of eight pairs, the halves of groups of sixteen: an 8 x
// 8 transpose of 16-bit words for each half of the k.
void store_b_block(const __m256i (&x)[kGroup], int8_t* out) {
  __m256i u[8], v[8];
  for (int i = 0; i < 4; ++i) {
    u[2 * i] = _mm256_unpacklo_epi16(x[2 * i], x[2 * i + 1]);
    u[2 * i + 1] = _mm256_unpackhi_epi16(x[2 * i], x[2 * i + 1]);
  }
  for (int i = 0; i < 2; ++i) {  // v[4 * i + g]: words 2g, 2g + 1 of columns 4i .. 4i + 3
    v[4 * i] = _mm256_unpacklo_epi32(u[4 * i], u[4 * i + 2]);
    v[4 * i + 1] = _mm256_unpackhi_epi32(u[4 * i], u[4 * i + 2]);
    v[4 * i + 2] = _mm256_unpacklo_epi32(u[4 * i + 1], u[4 * i + 3]);
    v[4 * i + 3] = _mm256_unpackhi_epi32(u[4 * i + 1], u[4 * i + 3]);
  }
  for (int g = 0; g < 8; ++g, out += kNr * kKr) {
    const __m256i pairs =
        g % 2 ? _mm256_unpackhi_epi64(v[g / 2], v[4 + g / 2]) : _mm256_unpacklo_epi64(v[g / 2], v[4 + g / 2]);
    store16(out, _mm256_castsi256_si128(pairs));
    store16(out + 8 * kNr * kKr, _mm256_extracti128_si256(pairs, 1));
  }
}

// A weight stored n x k: eight columns, and all of k before the next eight. With a stride of 4096 bytes eight rows fill
// a set of L1, and more would be gone before all of a line is used; what comes next is asked for besides. Missing
// columns repeat the last one: whatever they give is never stored.
void pack_b_along_k(const int8_t* b, int64_t n_stride, int64_t k, int64_t cols, int8_t* panel) {
  for (int64_t j0 = 0; j0 < kNr; j0 += kGroup) {
    const int8_t* row[kGroup];
    for (int64_t j = 0; j < kGroup; ++j) row[j] = b + (j0 + j < cols ? j0 + j : cols - 1) * n_stride;
    int8_t* out = panel + j0 * kKr;
    __m256i x[kGroup];
    int64_t p = 0;
    for (; p + kBlock <= k; p += kBlock, out += kBlock * kNr) {
      for (int64_t j = 0; j < kGroup; ++j) {
        if (p % 64 == 0) _mm_prefetch(reinterpret_cast<const char*>(row[j] + p + kPackAhead), _MM_HINT_T0);
        x[j] = load32(row[j] + p);
      }
      store_b_block(x, out);
    }
    if (p == k) continue;
    alignas(32) int8_t block[kBlock * kNr], tail[kBlock] = {};
    for (int64_t j = 0; j < kGroup; ++j) {
      std::memcpy(tail, row[j] + p, static_cast<size_t>(k - p));
      x[j] = load32(tail);
    }
    store_b_block(x, block);
    for (int64_t q = 0; q < k - p; q += kKr) std::memcpy(out + q * kNr, block + q * kNr, kGroup * kKr);
  }
}

// A weight stored k x n: two rows are interleaved.
void pack_b_along_n(const int8_t* b, int64_t k_stride, int64_t k, int64_t cols, int8_t* out) {
  for (int64_t p = 0; p < k; p += kKr, b += kKr * k_stride, out += kKr * kNr) {
    const __m128i row0 = cols == kNr ? load16(b) : load_tail(b, cols);
    __m128i row1 = _mm_setzero_si128();
    if (p + 1 < k) row1 = cols == kNr ? load16(b + k_stride) : load_tail(b + k_stride, cols);
    store16(out, _mm_unpacklo_epi8(row0, row1));
    store16(out + 16, _mm_unpackhi_epi8(row0, row1));
  }
}

}  // namespace

void pack_a(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
            int32_t* row_init) noexcept {
  for (int64_t i = 0; i < rows; ++i) row_init[i] = 0;
  int16_t* out = static_cast<int16_t*>(panel);
  int64_t p = 0;
  if (k_stride == 1) {
    const int16_t* const end = out + rows * ((k + 1) / kKr * kKr);
    for (; p + 8 <= k; p += 8, out += 8 * rows) {
      __m128i row[kMr];
      for (int64_t i = 0; i < kMr; ++i) {
        row[i] = i < rows ? _mm_cvtepi8_epi16(load8(a + i * row_stride + p)) : _mm_setzero_si128();
      }
      if (end - out >= 6 * rows + 16) {
        store_a_block(row, rows, out);
      } else {
        int16_t block[6 * kMr + 16];
        store_a_block(row, rows, block);
        std::memcpy(out, block, static_cast<size_t>(8 * rows) * sizeof *block);
      }
    }
  }
  pack_a_pairs(a, row_stride, k_stride, rows, p, k, out);
}

// Blocks of sixteen k as int16, one row after the other.
void pack_dot_a(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
                int32_t* row_init) noexcept {
  int16_t* out = static_cast<int16_t*>(panel);
  for (int64_t i = 0; i < rows; ++i) row_init[i] = 0;
  for (int64_t p = 0; p < k; p += kDotKr) {
    for (int64_t i = 0; i < rows; ++i, out += kDotKr) {
      const int8_t* x = a + i * row_stride + p * k_stride;
      const int64_t count = k - p < kDotKr ? k - p : kDotKr;
      alignas(16) int8_t bytes[kDotKr] = {};
      if (k_stride == 1 && count == kDotKr) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_cvtepi8_epi16(load16(x)));
        continue;
      }
      for (int64_t q = 0; q < count; ++q) bytes[q] = x[q * k_stride];
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_cvtepi8_epi16(load16(bytes)));
    }
  }
}

void pack_b(const int8_t* b, int64_t k_stride, int64_t n_stride, int64_t k, int64_t cols, void* panel) noexcept {
  int8_t* out = static_cast<int8_t*>(panel);
  if (k_stride == 1) return pack_b_along_k(b, n_stride, k, cols, out);
  if (n_stride == 1) return pack_b_along_n(b, k_stride, k, cols, out);
  for (int64_t p = 0; p < k; p += kKr) {
    for (int64_t j = 0; j < kNr; ++j, out += kKr) {
      const int8_t* x = b + p * k_stride + j * n_stride;
      out[0] = j < cols ? x[0] : int8_t{0};
      out[1] = j < cols && p + 1 < k ? x[k_stride] : int8_t{0};
    }
  }
}

}  // namespace a8w8::avx2
