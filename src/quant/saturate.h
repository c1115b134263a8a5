// Rounding and saturating, for code outside the kernels.
#pragma once

#include <cmath>

namespace a8w8 {

// rint(x), half to even, clamped to [lo, hi]; NaN gives 0. Compares in double, which holds every int32 and every float
// exactly.
template <class Int>
Int saturate_rint(float x, Int lo, Int hi) {
  if (std::isnan(x)) return 0;
  const double r = std::nearbyint(static_cast<double>(x));  // the rounding mode is never changed from nearest-even
  if (r <= static_cast<double>(lo)) return lo;
  if (r >= static_cast<double>(hi)) return hi;
  return static_cast<Int>(r);
}

}  // namespace a8w8
