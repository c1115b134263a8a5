// Packing for the AVX512-VNNI kernels, the usual blocks: fours of k for the tile, 64 k for the dot kernel; b as s8 +
// 128, what that adds undone by row_init (see [s8s8-compensation] in kernels/gemm_kernel.h).
#include <immintrin.h>

#include "kernels/avx512_vnni/kernels.h"

namespace a8w8::avx512_vnni {
namespace {

static_assert(kMr == 6 && kNr == 64 && kKr == 4);
constexpr int kGroup = 16;  // columns of b in one register of fours
constexpr int64_t kPackAhead = 256;

// The first `count` bytes; all where there are more.
__mmask64 first_of_64(int64_t count) { return count < 64 ? (uint64_t{1} << count) - 1 : ~uint64_t{0}; }
__mmask16 first_of_16(int64_t count) { return static_cast<__mmask16>(count < 16 ? (1u << count) - 1 : 0xffffu); }

void store16(int8_t* out, __m128i v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(out), v); }

// Sixteen k of up to six rows, each a vector of four fours: the transpose is four groups of `rows` fours. Only the
// first `groups` are written, for the panel may end there.
void store_a_block(const __m128i (&row)[kMr], int64_t rows, int64_t groups, int8_t* out) {
  const __m128i lo01 = _mm_unpacklo_epi32(row[0], row[1]), hi01 = _mm_unpackhi_epi32(row[0], row[1]);
  const __m128i lo23 = _mm_unpacklo_epi32(row[2], row[3]), hi23 = _mm_unpackhi_epi32(row[2], row[3]);
  const __m128i lo45 = _mm_unpacklo_epi32(row[4], row[5]), hi45 = _mm_unpackhi_epi32(row[4], row[5]);
  const __m256i group[4] = {_mm256_set_m128i(lo45, _mm_unpacklo_epi64(lo01, lo23)),
                            _mm256_set_m128i(_mm_unpackhi_epi64(lo45, lo45), _mm_unpackhi_epi64(lo01, lo23)),
                            _mm256_set_m128i(hi45, _mm_unpacklo_epi64(hi01, hi23)),
                            _mm256_set_m128i(_mm_unpackhi_epi64(hi45, hi45), _mm_unpackhi_epi64(hi01, hi23))};
  const __mmask8 mask = static_cast<__mmask8>((1u << rows) - 1);
  for (int64_t g = 0; g < groups; ++g) _mm256_mask_storeu_epi32(out + g * rows * kKr, mask, group[g]);
}

void pack_a_along_k(const int8_t* a, int64_t row_stride, int64_t rows, int64_t k, int8_t* out, int32_t* row_init) {
  const __m128i ones = _mm_set1_epi8(1);
  __m128i sum[kMr], row[kMr];
  for (int i = 0; i < kMr; ++i) sum[i] = row[i] = _mm_setzero_si128();
  for (int64_t p = 0; p < k; p += 16, out += 16 * rows) {
    const __mmask16 mask = first_of_16(k - p);
    for (int64_t i = 0; i < rows; ++i) {
      row[i] = _mm_maskz_loadu_epi8(mask, a + i * row_stride + p);
      sum[i] = _mm_dpbusd_epi32(sum[i], ones, row[i]);
    }
    store_a_block(row, rows, k - p < 16 ? (k - p + kKr - 1) / kKr : 4, out);
  }
  for (int64_t i = 0; i < rows; ++i) {
    const __m128i halves = _mm_hadd_epi32(sum[i], sum[i]);
    const __m128i total = _mm_hadd_epi32(halves, halves);
    row_init[i] = _mm_cvtsi128_si32(_mm_sub_epi32(_mm_setzero_si128(), _mm_slli_epi32(total, 7)));
  }
}

// Any strides: the usual blocks of `kr`.
void pack_a_elements(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, int64_t kr,
                     int8_t* out, int32_t* row_init) {
  for (int64_t i = 0; i < rows; ++i) row_init[i] = 0;
  for (int64_t p0 = 0; p0 < k; p0 += kr) {
    for (int64_t i = 0; i < rows; ++i) {
      uint32_t sum = 0;  // wraps without being undefined
      for (int64_t p = p0; p < p0 + kr; ++p) {
        *out = p < k ? a[i * row_stride + p * k_stride] : int8_t{0};
        sum += static_cast<uint32_t>(*out++);
      }
      row_init[i] = static_cast<int32_t>(static_cast<uint32_t>(row_init[i]) - 128 * sum);
    }
  }
}

// The rows and the columns of sixteen registers of sixteen int32 are exchanged. After the first two rounds x[4 * i + q]
// holds, in its lane l, elements 4l + q of rows 4i .. 4i + 3; the last two gather the lanes.
void transpose(__m512i (&x)[kGroup]) {
  __m512i t[kGroup];
  for (int i = 0; i < kGroup; i += 2) {
    t[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
  for (int i = 0; i < kGroup; i += 4) {
    x[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    x[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    x[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    x[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int q = 0; q < 4; ++q) {
    t[q] = _mm512_shuffle_i32x4(x[q], x[4 + q], 0x44);           // lanes 0, 1 of rows 0..3 and of rows 4..7
    t[4 + q] = _mm512_shuffle_i32x4(x[q], x[4 + q], 0xee);       // lanes 2, 3
    t[8 + q] = _mm512_shuffle_i32x4(x[8 + q], x[12 + q], 0x44);  // and of rows 8..15
    t[12 + q] = _mm512_shuffle_i32x4(x[8 + q], x[12 + q], 0xee);
  }
  for (int q = 0; q < 4; ++q) {
    x[q] = _mm512_shuffle_i32x4(t[q], t[8 + q], 0x88);
    x[4 + q] = _mm512_shuffle_i32x4(t[q], t[8 + q], 0xdd);
    x[8 + q] = _mm512_shuffle_i32x4(t[4 + q], t[12 + q], 0x88);
    x[12 + q] = _mm512_shuffle_i32x4(t[4 + q], t[12 + q], 0xdd);
  }
}

// A weight stored n x k: sixteen columns by 64 k at a time, all of k before the next sixteen columns, so that no more
// rows are read at once than the hardware can foresee; what comes next is asked for besides. Missing columns repeat the
// last one: what they give is never stored.
void pack_b_along_k(const int8_t* b, int64_t n_stride, int64_t k, int64_t cols, int8_t* out) {
  const __m512i flip = _mm512_set1_epi8(-128);
  for (int64_t j0 = 0; j0 < kNr; j0 += kGroup) {
    const int8_t* row[kGroup];
    for (int64_t j = 0; j < kGroup; ++j) row[j] = b + (j0 + j < cols ? j0 + j : cols - 1) * n_stride;
    for (int64_t p = 0; p < k; p += 64) {
      const __mmask64 mask = first_of_64(k - p);
      const int64_t steps = k - p < 64 ? (k - p + kKr - 1) / kKr : 16;
      __m512i x[kGroup];
      for (int64_t j = 0; j < kGroup; ++j) {
        _mm_prefetch(reinterpret_cast<const char*>(row[j] + p + kPackAhead), _MM_HINT_T0);
        x[j] = _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, row[j] + p), flip);
      }
      transpose(x);
      for (int64_t s = 0; s < steps; ++s) _mm512_storeu_si512(out + (p / kKr + s) * kKr * kNr + j0 * kKr, x[s]);
    }
  }
}

// A weight stored k x n: four rows are interleaved, sixteen columns at a time.
void pack_b_along_n(const int8_t* b, int64_t k_stride, int64_t k, int64_t cols, int8_t* out) {
  const __m128i flip = _mm_set1_epi8(-128);
  for (int64_t p = 0; p < k; p += kKr) {
    for (int64_t j = 0; j < kNr; j += kGroup, out += kGroup * kKr) {
      __m128i row[kKr];
      for (int64_t q = 0; q < kKr; ++q) {
        row[q] = flip;
        if (p + q < k && j < cols) {
          row[q] = _mm_xor_si128(_mm_maskz_loadu_epi8(first_of_16(cols - j), b + (p + q) * k_stride + j), flip);
        }
      }
      const __m128i lo01 = _mm_unpacklo_epi8(row[0], row[1]), hi01 = _mm_unpackhi_epi8(row[0], row[1]);
      const __m128i lo23 = _mm_unpacklo_epi8(row[2], row[3]), hi23 = _mm_unpackhi_epi8(row[2], row[3]);
      store16(out, _mm_unpacklo_epi16(lo01, lo23));
      store16(out + 16, _mm_unpackhi_epi16(lo01, lo23));
      store16(out + 32, _mm_unpacklo_epi16(hi01, hi23));
      store16(out + 48, _mm_unpackhi_epi16(hi01, hi23));
    }
  }
}

}  // namespace

void pack_a(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
            int32_t* row_init) noexcept {
  int8_t* out = static_cast<int8_t*>(panel);
  if (k_stride == 1) return pack_a_along_k(a, row_stride, rows, k, out, row_init);
  pack_a_elements(a, row_stride, k_stride, rows, k, kKr, out, row_init);
}

// Blocks of 64 k, one row after the other.
void pack_dot_a(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
                int32_t* row_init) noexcept {
  int8_t* out = static_cast<int8_t*>(panel);
  if (k_stride != 1) return pack_a_elements(a, row_stride, k_stride, rows, k, kDotKr, out, row_init);
  const __m512i ones = _mm512_set1_epi8(1);
  for (int64_t i = 0; i < rows; ++i) {
    __m512i sum = _mm512_setzero_si512();
    for (int64_t p = 0; p < k; p += kDotKr) {
      const __m512i x = _mm512_maskz_loadu_epi8(first_of_64(k - p), a + i * row_stride + p);
      _mm512_storeu_si512(out + p * rows + i * kDotKr, x);
      sum = _mm512_dpbusd_epi32(sum, ones, x);
    }
    const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64(sum, 1));
    const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    const __m128i two = _mm_hadd_epi32(four, four), total = _mm_hadd_epi32(two, two);
    row_init[i] = _mm_cvtsi128_si32(_mm_sub_epi32(_mm_setzero_si128(), _mm_slli_epi32(total, 7)));
  }
}

void pack_b(const int8_t* b, int64_t k_stride, int64_t n_stride, int64_t k, int64_t cols, void* panel) noexcept {
  if (k_stride == 1) return pack_b_along_k(b, n_stride, k, cols, static_cast<int8_t*>(panel));
  if (n_stride == 1) return pack_b_along_n(b, k_stride, k, cols, static_cast<int8_t*>(panel));
  uint8_t* out = static_cast<uint8_t*>(panel);
  for (int64_t p0 = 0; p0 < k; p0 += kKr) {
    for (int64_t j = 0; j < kNr; ++j) {
      for (int64_t p = p0; p < p0 + kKr; ++p) {
        const int8_t x = j < cols && p < k ? b[p * k_stride + j * n_stride] : int8_t{0};
        *out++ = static_cast<uint8_t>(x + 128);
      }
    }
  }
}

}  // namespace a8w8::avx512_vnni
