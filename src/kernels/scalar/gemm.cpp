// The scalar tile: 4 x 8 sums, small enough for the registers of any 64-bit machine with vector units to be used by the
// compiler as it likes, and with kr > 1 so that the packed layouts of the other kernels are exercised everywhere.
//
// Sums are unsigned: they wrap modulo 2^32 without being undefined.
#include "kernels/scalar/kernels.h"

namespace a8w8::scalar {

void gemm(int64_t rows, int64_t k, const void* a_panel, int64_t /*a_stride*/, const void* b_panel,
          const int32_t* row_init, int32_t* c, int64_t ldc) noexcept {
  const int8_t* a = static_cast<const int8_t*>(a_panel);
  const int8_t* b = static_cast<const int8_t*>(b_panel);
  uint32_t acc[kMr][kNr];
  for (int64_t i = 0; i < rows; ++i) {
    for (int j = 0; j < kNr; ++j) acc[i][j] = static_cast<uint32_t>(row_init ? row_init[i] : c[i * ldc + j]);
  }
  for (int64_t p = 0; p < k; p += kKr, a += rows * kKr, b += kNr * kKr) {
    for (int64_t i = 0; i < rows; ++i) {
      for (int j = 0; j < kNr; ++j) {
        for (int q = 0; q < kKr; ++q) acc[i][j] += static_cast<uint32_t>(a[i * kKr + q] * b[j * kKr + q]);
      }
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int j = 0; j < kNr; ++j) c[i * ldc + j] = static_cast<int32_t>(acc[i][j]);
  }
}

}  // namespace a8w8::scalar
