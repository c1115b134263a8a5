// Packing for the AVX-VNNI kernels: b in the usual blocks, fours of k, as s8 + 128; what that adds is undone by
// row_init (see [s8s8-compensation] in kernels/gemm_kernel.h). The tile reads rows of a where they lie, the dot kernel
// in blocks of 64 k.
#include <immintrin.h>

#include <cstring>

#include "kernels/avx_vnni/kernels.h"

namespace a8w8::avx_vnni {
namespace {

static_assert(kMr == 6 && kNr == 16 && kKr == 4);
constexpr int kGroup = 8;  // columns of b in one register of fours

// The first `count` bytes, then zeros; a whole register where there are that many.
__m128i load16(const int8_t* x, int64_t count) {
  if (count >= 16) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  alignas(16) int8_t bytes[16] = {};
  std::memcpy(bytes, x, static_cast<size_t>(count));
  return _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
}
__m256i load32(const int8_t* x, int64_t count) {
  if (count >= 32) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  alignas(32) int8_t bytes[32] = {};
  std::memcpy(bytes, x, static_cast<size_t>(count));
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes));
}
void store16(int8_t* out, __m128i v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(out), v); }
void store32(int8_t* out, __m256i v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), v); }

// -128 times the sum of all lanes.
int32_t correction(__m256i sum) {
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  const __m128i two = _mm_hadd_epi32(four, four), total = _mm_hadd_epi32(two, two);
  return _mm_cvtsi128_si32(_mm_sub_epi32(_mm_setzero_si128(), _mm_slli_epi32(total, 7)));
}

// Rows of any strides as blocks of 32 k, filled up with zeros: calls store(i, p, block) for k = p .. p + 31 of row i.
template <class Store>
[[gnu::always_inline]] inline void for_each_block(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows,
                                                  int64_t k, int32_t* row_init, Store store) {
  const __m256i ones = _mm256_set1_epi8(1);
  for (int64_t i = 0; i < rows; ++i) {
    __m256i sum = _mm256_setzero_si256();
    for (int64_t p = 0; p < k; p += 32) {
      const int8_t* from = a + i * row_stride + p * k_stride;
      const int64_t count = k - p < 32 ? k - p : 32;
      int8_t bytes[32];
      if (k_stride != 1) {
        for (int64_t q = 0; q < count; ++q) bytes[q] = from[q * k_stride];
      }
      const __m256i x = load32(k_stride == 1 ? from : bytes, count);
      store(i, p, x);
      sum = _mm256_dpbusd_avx_epi32(sum, ones, x);
    }
    row_init[i] = correction(sum);
  }
}

// The rows and the columns of eight registers of eight int32 are exchanged. After the first two rounds x[4 * i + q]
// holds, in its half h, elements 4h + q of rows 4i .. 4i + 3; the last one gathers the halves.
void transpose(__m256i (&x)[kGroup]) {
  __m256i t[kGroup];
  for (int i = 0; i < kGroup; i += 2) {
    t[i] = _mm256_unpacklo_epi32(x[i], x[i + 1]);
    t[i + 1] = _mm256_unpackhi_epi32(x[i], x[i + 1]);
  }
  for (int i = 0; i < kGroup; i += 4) {
    x[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
    x[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
    x[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
    x[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int q = 0; q < 4; ++q) {
    t[q] = _mm256_permute2x128_si256(x[q], x[4 + q], 0x20);
    t[4 + q] = _mm256_permute2x128_si256(x[q], x[4 + q], 0x31);
  }
  for (int i = 0; i < kGroup; ++i) x[i] = t[i];
}

// A weight stored n x k: eight columns by 32 k at a time, all of k before the next eight columns, so that no more rows
// are read at once than the hardware can foresee. Missing columns repeat the last one: what they give is never stored.
void pack_b_along_k(const int8_t* b, int64_t n_stride, int64_t k, int64_t cols, int8_t* out) {
  const __m256i flip = _mm256_set1_epi8(-128);
  for (int64_t j0 = 0; j0 < kNr; j0 += kGroup) {
    for (int64_t p = 0; p < k; p += 32) {
      const int64_t steps = k - p < 32 ? (k - p + kKr - 1) / kKr : 8;
      __m256i x[kGroup];
      for (int64_t j = 0; j < kGroup; ++j) {
        const int64_t col = j0 + j < cols ? j0 + j : cols - 1;
        x[j] = _mm256_xor_si256(load32(b + col * n_stride + p, k - p), flip);
      }
      transpose(x);
      for (int64_t s = 0; s < steps; ++s) store32(out + (p / kKr + s) * kKr * kNr + j0 * kKr, x[s]);
    }
  }
}

// A weight stored k x n: four rows are interleaved.
void pack_b_along_n(const int8_t* b, int64_t k_stride, int64_t k, int64_t cols, int8_t* out) {
  const __m128i flip = _mm_set1_epi8(-128);
  for (int64_t p = 0; p < k; p += kKr, out += kNr * kKr) {
    __m128i row[kKr];
    for (int64_t q = 0; q < kKr; ++q) {
      row[q] = p + q < k ? _mm_xor_si128(load16(b + (p + q) * k_stride, cols), flip) : flip;
    }
    const __m128i lo01 = _mm_unpacklo_epi8(row[0], row[1]), hi01 = _mm_unpackhi_epi8(row[0], row[1]);
    const __m128i lo23 = _mm_unpacklo_epi8(row[2], row[3]), hi23 = _mm_unpackhi_epi8(row[2], row[3]);
    store16(out, _mm_unpacklo_epi16(lo01, lo23));
    store16(out + 16, _mm_unpackhi_epi16(lo01, lo23));
    store16(out + 32, _mm_unpacklo_epi16(hi01, hi23));
    store16(out + 48, _mm_unpackhi_epi16(hi01, hi23));
  }
}

}  // namespace

void row_init(const int8_t* a, int64_t row_stride, int64_t rows, int64_t k, int32_t* init) noexcept {
  for_each_block(a, row_stride, 1, rows, k, init, [](int64_t, int64_t, __m256i) {});
}

// The tile reads rows where they lie; those that are not contiguous are copied.
void pack_a(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
            int32_t* row_init) noexcept {
  const int64_t padded = (k + kKr - 1) / kKr * kKr;
  for_each_block(a, row_stride, k_stride, rows, k, row_init, [=](int64_t i, int64_t p, __m256i block) {
    const size_t bytes = static_cast<size_t>(padded - p < 32 ? padded - p : 32);
    std::memcpy(static_cast<int8_t*>(panel) + i * padded + p, &block, bytes);
  });
}

// Blocks of 64 k, one row after the other.
void pack_dot_a(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
                int32_t* row_init) noexcept {
  for_each_block(a, row_stride, k_stride, rows, k, row_init, [=](int64_t i, int64_t p, __m256i block) {
    int8_t* const out = static_cast<int8_t*>(panel) + p / kDotKr * kDotKr * rows + i * kDotKr + p % kDotKr;
    store32(out, block);
    if (p % kDotKr == 0 && k - p <= 32) store32(out + 32, _mm256_setzero_si256());
  });
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

}  // namespace a8w8::avx_vnni
