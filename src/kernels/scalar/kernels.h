// What this folder implements, for its table.cpp. The contracts are in kernels/*_kernel.h.
#pragma once

#include "kernels/epilogue_kernel.h"
#include "kernels/gemm_kernel.h"
#include "kernels/quantize_kernel.h"

namespace a8w8::scalar {

inline constexpr int kMr = 4, kNr = 8, kKr = 4;  // the register tile, see gemm.cpp
inline constexpr int kDotMaxM = 4;

void pack_a(const int8_t* a, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, void* panel,
            int32_t* row_init) noexcept;
void pack_b(const int8_t* b, int64_t k_stride, int64_t n_stride, int64_t k, int64_t cols, void* panel) noexcept;
void gemm(int64_t k, const void* a_panel, const void* b_panel, const int32_t* row_init, int32_t* c,
          int64_t ldc) noexcept;
void dot(int64_t m, int64_t n, int64_t k, const int8_t* a, int64_t lda, const int8_t* b, int64_t ldb, int32_t* c,
         int64_t ldc) noexcept;
void epilogue(const EpilogueTile& tile) noexcept;
void quantize_row(const QuantizeRow& row) noexcept;
float dynamic_quant_row(const DynamicQuantRow& row) noexcept;

}  // namespace a8w8::scalar
