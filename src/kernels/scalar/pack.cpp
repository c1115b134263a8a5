// Packing for the scalar kernels: the usual blocks, any strides, no fast path.
#include "kernels/scalar/kernels.h"

namespace a8w8::scalar {
namespace {

// Either operand: `lines` rows of a or columns of b, `tile` of them in a panel; k and the missing lines are
// zero-filled.
void pack(const int8_t* x, int64_t line_stride, int64_t k_stride, int64_t lines, int64_t tile, int64_t k,
          int8_t* panel) noexcept {
  for (int64_t p0 = 0; p0 < k; p0 += kKr) {
    for (int64_t line = 0; line < tile; ++line) {
      for (int64_t p = p0; p < p0 + kKr; ++p) {
        *panel++ = line < lines && p < k ? x[line * line_stride + p * k_stride] : int8_t{0};
      }
    }
  }
}

}  // namespace

void pack_a(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
            int32_t* row_init) noexcept {
  pack(a, row_stride, k_stride, rows, rows, k, static_cast<int8_t*>(panel));
  for (int64_t i = 0; i < rows; ++i) row_init[i] = 0;
}

void pack_b(const int8_t* b, int64_t k_stride, int64_t n_stride, int64_t k, int64_t cols, void* panel) noexcept {
  pack(b, n_stride, k_stride, cols, kNr, k, static_cast<int8_t*>(panel));
}

}  // namespace a8w8::scalar
