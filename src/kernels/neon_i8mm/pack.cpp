// Packing for the matrix-multiply kernels: the usual blocks of eight k, in which two neighbouring rows of a, or columns
// of b, are one register. A block of the dot kernel's a is two of these, one after the other.
#include <arm_neon.h>

#include <cstdint>

#include "kernels/neon_i8mm/kernels.h"

namespace a8w8::neon_i8mm {
namespace {

constexpr int kStep = 16, kLine = 64;  // bytes of a register, of a cache line
constexpr int kCols = kLine / kKr;     // columns of which a block is one line
constexpr int64_t kAhead = 256;        // bytes of a column
static_assert(kKr == 8 && kNr % kStep == 0 && kDotKr == 2 * kKr);

// The first `count` of sixteen elements, then zeros.
[[gnu::noinline]] int8x16_t load_some(const int8_t* x, int64_t stride, int64_t count) {
  int8_t bytes[kStep] = {};
  for (int64_t q = 0; q < count && q < kStep; ++q) bytes[q] = x[q * stride];
  return vld1q_s8(bytes);
}

[[gnu::always_inline]] inline int8x16_t load(const int8_t* x, int64_t stride, int64_t count) {
  return stride == 1 && count >= kStep ? vld1q_s8(x) : load_some(x, stride, count);
}

// k is filled up to a multiple of kr, which is eight or sixteen.
void pack_rows(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, int64_t kr, int8_t* out,
               int32_t* row_init) {
  const int64_t filled = (k + kr - 1) / kr * kr;
  for (int64_t i = 0; i < rows; ++i) {
    row_init[i] = 0;
    for (int64_t p = 0; p < filled; p += kStep) {
      const int8x16_t x = load(a + i * row_stride + p * k_stride, k_stride, k - p);
      vst1_s8(out + p * rows + i * kKr, vget_low_s8(x));
      if (p + kKr < filled) vst1_s8(out + (p + kKr) * rows + i * kKr, vget_high_s8(x));
    }
  }
}

// A weight stored n x k, or with any strides: eight columns, a cache line of b, at a time. They take all of k before
// the next eight, so that no more rows are read at once than the hardware can foresee; what comes next is asked for
// besides. Missing columns repeat the last one: what they give is never stored.
void pack_b_along_k(const int8_t* b, int64_t k_stride, int64_t n_stride, int64_t k, int64_t cols, int8_t* out) {
  for (int64_t j = 0; j < kNr; j += kCols, out += kCols * kKr) {
    const int8_t* col[kCols];
    for (int64_t q = 0; q < kCols; ++q) col[q] = b + (j + q < cols ? j + q : cols - 1) * n_stride;
    for (int64_t p = 0; p < k; p += kStep) {
#pragma GCC unroll 4
      for (int64_t q = 0; q < kCols; q += 2) {
        if (p % kLine == 0) {
          __builtin_prefetch(col[q] + p + kAhead);
          __builtin_prefetch(col[q + 1] + p + kAhead);
        }
        const int64x2_t x = vreinterpretq_s64_s8(load(col[q] + p * k_stride, k_stride, k - p));
        const int64x2_t y = vreinterpretq_s64_s8(load(col[q + 1] + p * k_stride, k_stride, k - p));
        vst1q_s8(out + p * kNr + q * kKr, vreinterpretq_s8_s64(vzip1q_s64(x, y)));
        if (p + kKr < k) vst1q_s8(out + (p + kKr) * kNr + q * kKr, vreinterpretq_s8_s64(vzip2q_s64(x, y)));
      }
    }
  }
}

// Eight k of eight columns. Element c of x[i] and the next are k = i and k = i + 4 of column c / 2; two more rounds of
// interleaving bring all eight together.
[[gnu::always_inline]] inline void store_columns(int8x16_t x0, int8x16_t x1, int8x16_t x2, int8x16_t x3, int8_t* out) {
  const int8x16_t even0 = vzip1q_s8(x0, x2), even4 = vzip2q_s8(x0, x2);  // k = 0 2 4 6 of columns 0..3, 4..7
  const int8x16_t odd0 = vzip1q_s8(x1, x3), odd4 = vzip2q_s8(x1, x3);    // k = 1 3 5 7
  vst1q_s8(out, vzip1q_s8(even0, odd0));
  vst1q_s8(out + 16, vzip2q_s8(even0, odd0));
  vst1q_s8(out + 32, vzip1q_s8(even4, odd4));
  vst1q_s8(out + 48, vzip2q_s8(even4, odd4));
}

// A weight stored k x n: eight rows of sixteen columns at a time.
void pack_b_along_n(const int8_t* b, int64_t k_stride, int64_t k, int64_t cols, int8_t* out) {
  for (int64_t p = 0; p < k; p += kKr) {
    for (int64_t j = 0; j < kNr; j += kStep, out += kStep * kKr) {
      int8x16_t row[kKr];
#pragma GCC unroll 8
      for (int64_t q = 0; q < kKr; ++q) {
        row[q] = p + q < k && j < cols ? load(b + (p + q) * k_stride + j, 1, cols - j) : vdupq_n_s8(0);
      }
      store_columns(vzip1q_s8(row[0], row[4]), vzip1q_s8(row[1], row[5]), vzip1q_s8(row[2], row[6]),
                    vzip1q_s8(row[3], row[7]), out);
      store_columns(vzip2q_s8(row[0], row[4]), vzip2q_s8(row[1], row[5]), vzip2q_s8(row[2], row[6]),
                    vzip2q_s8(row[3], row[7]), out + kStep / 2 * kKr);
    }
  }
}

}  // namespace

void pack_a(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
            int32_t* row_init) noexcept {
  pack_rows(a, row_stride, k_stride, rows, k, kKr, static_cast<int8_t*>(panel), row_init);
}

void pack_dot_a(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
                int32_t* row_init) noexcept {
  pack_rows(a, row_stride, k_stride, rows, k, kDotKr, static_cast<int8_t*>(panel), row_init);
}

void pack_b(const int8_t* b, int64_t k_stride, int64_t n_stride, int64_t k, int64_t cols, void* panel) noexcept {
  if (n_stride == 1 && k_stride != 1) return pack_b_along_n(b, k_stride, k, cols, static_cast<int8_t*>(panel));
  pack_b_along_k(b, k_stride, n_stride, k, cols, static_cast<int8_t*>(panel));
}

}  // namespace a8w8::neon_i8mm
