#include "kernels/scalar/kernels.h"

namespace a8w8::scalar {

void dot(int64_t m, int64_t n, int64_t k, const int8_t* a, int64_t lda, const int8_t* b, int64_t ldb, int32_t* c,
         int64_t ldc) noexcept {
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t i = 0; i < m; ++i) {
      uint32_t sum = 0;  // wraps without being undefined
      for (int64_t p = 0; p < k; ++p) sum += static_cast<uint32_t>(a[i * lda + p] * b[j * ldb + p]);
      c[i * ldc + j] = static_cast<int32_t>(sum);
    }
  }
}

}  // namespace a8w8::scalar
