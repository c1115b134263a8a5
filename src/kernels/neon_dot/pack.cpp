// Packing for the dot-product kernels. The tile takes rows of a as they lie, the dot kernel in the usual blocks. A
// block of b is sixteen k of the four register tiles side by side, and in each of them four groups of four k, since a
// register of b is four k of four columns:
//
//   tile 0 (columns 0..15)  group 0: [b(k0..k0+3, 0)] [b(k0..k0+3, 1)] ... [b(k0..k0+3, 15)]           64 bytes
//                           group 1: [b(k0+4..k0+7, 0)] ...           group 2: ...       group 3: ...
//   tile 1 (columns 16..31) ...                                                                       256 bytes on
//
// E.g. b(k0 + 6, 17) is byte 1*256 + 1*64 + 1*4 + 2 = 326 of its block.
#include <arm_neon.h>

#include <cstdint>

#include "kernels/neon_dot/kernels.h"

namespace a8w8::neon_dot {
namespace {

constexpr int kTileCols = 16, kGroup = 4, kGroupBytes = kTileCols * kGroup;
constexpr int kLine = 64;        // bytes of a cache line
constexpr int64_t kAhead = 256;  // bytes of a column
static_assert(kKr == 16 && kNr % kTileCols == 0);

// The first `count` of sixteen elements, then zeros.
[[gnu::noinline]] int8x16_t load_some(const int8_t* x, int64_t stride, int64_t count) {
  int8_t bytes[kKr] = {};
  for (int64_t q = 0; q < count && q < kKr; ++q) bytes[q] = x[q * stride];
  return vld1q_s8(bytes);
}

[[gnu::always_inline]] inline int8x16_t load(const int8_t* x, int64_t stride, int64_t count) {
  return stride == 1 && count >= kKr ? vld1q_s8(x) : load_some(x, stride, count);
}

// Sixteen k, from p on, of row i go to p / 16 * step + i * row; the odd end of k is filled up with zeros.
void copy_rows(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, int64_t step,
               int64_t row, int8_t* out, int32_t* row_init) {
  for (int64_t i = 0; i < rows; ++i) {
    row_init[i] = 0;
    for (int64_t p = 0; p < k; p += kKr) {
      vst1q_s8(out + p / kKr * step + i * row, load(a + i * row_stride + p * k_stride, k_stride, k - p));
    }
  }
}

// Four columns of sixteen k, to four groups of four columns of four k.
[[gnu::always_inline]] inline void store_groups(const int8x16_t (&x)[4], int8_t* out) {
  const int32x4_t x0 = vreinterpretq_s32_s8(x[0]), x1 = vreinterpretq_s32_s8(x[1]);
  const int32x4_t x2 = vreinterpretq_s32_s8(x[2]), x3 = vreinterpretq_s32_s8(x[3]);
  const int64x2_t lo01 = vreinterpretq_s64_s32(vzip1q_s32(x0, x1)), hi01 = vreinterpretq_s64_s32(vzip2q_s32(x0, x1));
  const int64x2_t lo23 = vreinterpretq_s64_s32(vzip1q_s32(x2, x3)), hi23 = vreinterpretq_s64_s32(vzip2q_s32(x2, x3));
  vst1q_s8(out, vreinterpretq_s8_s64(vzip1q_s64(lo01, lo23)));
  vst1q_s8(out + kGroupBytes, vreinterpretq_s8_s64(vzip2q_s64(lo01, lo23)));
  vst1q_s8(out + 2 * kGroupBytes, vreinterpretq_s8_s64(vzip1q_s64(hi01, hi23)));
  vst1q_s8(out + 3 * kGroupBytes, vreinterpretq_s8_s64(vzip2q_s64(hi01, hi23)));
}

// A weight stored n x k, or with any strides: a tile at a time. It takes all of k before the next tile, so that no more
// rows are read at once than the hardware can foresee; what comes next is asked for besides. Missing columns repeat the
// last one: what they give is never stored.
void pack_b_along_k(const int8_t* b, int64_t k_stride, int64_t n_stride, int64_t k, int64_t cols, int8_t* out) {
  for (int64_t j0 = 0; j0 < kNr; j0 += kTileCols, out += kTileCols * kKr) {
    const int8_t* col[kTileCols];
    for (int64_t j = 0; j < kTileCols; ++j) col[j] = b + (j0 + j < cols ? j0 + j : cols - 1) * n_stride;
    for (int64_t p = 0; p < k; p += kKr) {
      for (int64_t j = 0; j < kTileCols; j += 4) {
        int8x16_t x[4];
#pragma GCC unroll 4
        for (int64_t q = 0; q < 4; ++q) {
          if (p % kLine == 0) __builtin_prefetch(col[j + q] + p + kAhead);
          x[q] = load(col[j + q] + p * k_stride, k_stride, k - p);
        }
        store_groups(x, out + p * kNr + j * kGroup);
      }
    }
  }
}

// A weight stored k x n: four rows of sixteen columns are interleaved.
void pack_b_along_n(const int8_t* b, int64_t k_stride, int64_t k, int64_t cols, int8_t* out) {
  for (int64_t p0 = 0; p0 < k; p0 += kKr) {
    for (int64_t j = 0; j < kNr; j += kTileCols) {
      for (int64_t p = p0; p < p0 + kKr; p += kGroup, out += kGroupBytes) {
        int8x16x4_t rows;
#pragma GCC unroll 4
        for (int64_t q = 0; q < kGroup; ++q) {
          rows.val[q] = p + q < k && j < cols ? load(b + (p + q) * k_stride + j, 1, cols - j) : vdupq_n_s8(0);
        }
        vst4q_s8(out, rows);
      }
    }
  }
}

}  // namespace

// Nothing has to be undone: both operands are signed.
void row_init(const int8_t*, int64_t, int64_t rows, int64_t, int32_t* init) noexcept {
  for (int64_t i = 0; i < rows; ++i) init[i] = 0;
}

// The tile reads rows where they lie; those that are not contiguous are copied.
void pack_a(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
            int32_t* row_init) noexcept {
  const int64_t padded = (k + kKr - 1) / kKr * kKr;
  copy_rows(a, row_stride, k_stride, rows, k, kKr, padded, static_cast<int8_t*>(panel), row_init);
}

// The usual blocks.
void pack_dot_a(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
                int32_t* row_init) noexcept {
  copy_rows(a, row_stride, k_stride, rows, k, kKr * rows, kKr, static_cast<int8_t*>(panel), row_init);
}

void pack_b(const int8_t* b, int64_t k_stride, int64_t n_stride, int64_t k, int64_t cols, void* panel) noexcept {
  if (n_stride == 1 && k_stride != 1) return pack_b_along_n(b, k_stride, k, cols, static_cast<int8_t*>(panel));
  pack_b_along_k(b, k_stride, n_stride, k, cols, static_cast<int8_t*>(panel));
}

}  // namespace a8w8::neon_dot
