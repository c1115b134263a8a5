#include "kernels/scalar/kernels.h"

namespace a8w8::scalar {

void dot(int64_t m, int64_t n, int64_t k, const void* a_panel, const int32_t* row_init, const int8_t* b, int64_t ldb,
         int32_t* c, int64_t ldc) noexcept {
  const int8_t* a = static_cast<const int8_t*>(a_panel);
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t i = 0; i < m; ++i) {
      uint32_t sum = static_cast<uint32_t>(row_init[i]);  // wraps without being undefined
      for (int64_t p = 0; p < k; ++p)
        sum += static_cast<uint32_t>(a[(p / kKr * m + i) * kKr + p % kKr] * b[j * ldb + p]);
      c[i * ldc + j] = static_cast<int32_t>(sum);
    }
  }
}

}  // namespace a8w8::scalar
