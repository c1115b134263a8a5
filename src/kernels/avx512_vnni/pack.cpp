// Packing for the AVX512-VNNI kernels: b in the usual blocks, fours of k, as s8 + 128; what that adds is undone by
// row_init (see [s8s8-compensation] in kernels/gemm_kernel.h). The tile reads rows of a where they lie, the dot kernel
// in blocks of 64 k.
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

// -128 * the sum of all lanes.
int32_t correction(__m512i sum) {
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64(sum, 1));
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  const __m128i two = _mm_hadd_epi32(four, four), total = _mm_hadd_epi32(two, two);
  return _mm_cvtsi128_si32(_mm_sub_epi32(_mm_setzero_si128(), _mm_slli_epi32(total, 7)));
}

// Rows of any strides as blocks of 64 k: block p of row i goes to out + p * block_step + i * row_step, and of the last
// block only so many bytes are written.
struct RowBlocks {
  int64_t block_step, row_step, last_bytes;
};

void copy_rows(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, const RowBlocks& to,
               int8_t* out, int32_t* row_init) {
  const __m512i ones = _mm512_set1_epi8(1);
  for (int64_t i = 0; i < rows; ++i) {
    __m512i sum = _mm512_setzero_si512();
    for (int64_t p = 0, block = 0; p < k; p += 64, ++block) {
      const int8_t* from = a + i * row_stride + p * k_stride;
      const int64_t count = k - p < 64 ? k - p : 64;
      alignas(64) int8_t bytes[64] = {};
      if (k_stride != 1) {
        for (int64_t q = 0; q < count; ++q) bytes[q] = from[q * k_stride];
      }
      const __m512i x = _mm512_maskz_loadu_epi8(first_of_64(count), k_stride == 1 ? from : bytes);
      _mm512_mask_storeu_epi8(out + block * to.block_step + i * to.row_step,
                              first_of_64(k - p <= 64 ? to.last_bytes : 64), x);
      sum = _mm512_dpbusd_epi32(sum, ones, x);
    }
    row_init[i] = correction(sum);
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

void row_init(const int8_t* a, int64_t row_stride, int64_t rows, int64_t k, int32_t* init) noexcept {
  const __m512i ones = _mm512_set1_epi8(1);
  for (int64_t i = 0; i < rows; ++i) {
    __m512i sum = _mm512_setzero_si512();
    for (int64_t p = 0; p < k; p += 64)
      sum = _mm512_dpbusd_epi32(sum, ones, _mm512_maskz_loadu_epi8(first_of_64(k - p), a + i * row_stride + p));
    init[i] = correction(sum);
  }
}

// The tile reads rows where they lie; those that are not contiguous are copied.
void pack_a(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
            int32_t* row_init) noexcept {
  const int64_t padded = (k + kKr - 1) / kKr * kKr;
  copy_rows(a, row_stride, k_stride, rows, k, {64, padded, padded - (k - 1) / 64 * 64}, static_cast<int8_t*>(panel),
            row_init);
}

// Blocks of 64 k, one row after the other.
void pack_dot_a(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
                int32_t* row_init) noexcept {
  copy_rows(a, row_stride, k_stride, rows, k, {64 * rows, 64, 64}, static_cast<int8_t*>(panel), row_init);
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
