// Small integer arithmetic.
#pragma once

#include <cstdint>

namespace a8w8 {

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_down(int64_t a, int64_t b) { return a / b * b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

}  // namespace a8w8
