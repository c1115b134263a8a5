// Stands in for <immintrin.h> where the x86 kernels are compiled a second time, for the tests: SIMDe carries the
// intrinsics out in plain C++, so that the loops, masks and layouts of src/kernels/<isa> run on any machine.
//
// SIMDe does not have all of them in every release (0.7.4 to 0.8.2 serve). Those that one lacks are modelled below,
// lane by lane, as their manual page says; masked loads and stores touch only the bytes that the mask has, as the
// hardware does.
#pragma once

#define SIMDE_NO_NATIVE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx2.h>
#include <simde/x86/avx512/add.h>
#include <simde/x86/avx512/and.h>
#include <simde/x86/avx512/cast.h>
#include <simde/x86/avx512/cmp.h>
#include <simde/x86/avx512/cvts.h>
#include <simde/x86/avx512/div.h>
#include <simde/x86/avx512/dpbusd.h>
#include <simde/x86/avx512/extract.h>
#include <simde/x86/avx512/insert.h>
#include <simde/x86/avx512/loadu.h>
#include <simde/x86/avx512/max.h>
#include <simde/x86/avx512/min.h>
#include <simde/x86/avx512/mov.h>
#include <simde/x86/avx512/mul.h>
#include <simde/x86/avx512/or.h>
#include <simde/x86/avx512/set1.h>
#include <simde/x86/avx512/setzero.h>
#include <simde/x86/avx512/shuffle.h>
#include <simde/x86/avx512/slli.h>
#include <simde/x86/avx512/srli.h>
#include <simde/x86/avx512/storeu.h>
#include <simde/x86/avx512/types.h>
#include <simde/x86/avx512/unpackhi.h>
#include <simde/x86/avx512/unpacklo.h>
#include <simde/x86/avx512/xor.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#include "a8w8/half.h"

// Macros, for some releases have types of these names that differ in nothing but the kind of long.
#define __mmask8 simde__mmask8
#define __mmask16 simde__mmask16
#define __mmask64 simde__mmask64

namespace emulated {

// A register as an array of lanes, and back.
template <class Lane, class Register>
struct Lanes {
  static constexpr int kCount = sizeof(Register) / sizeof(Lane);
  Lane lane[kCount] = {};

  Lanes() = default;
  explicit Lanes(Register r) { std::memcpy(lane, &r, sizeof r); }
  Register value() const {
    Register r;
    std::memcpy(&r, lane, sizeof r);
    return r;
  }
};

template <class Lane, class Register, class Mask>
Register maskz_load(Mask mask, const void* x) {
  Lanes<Lane, Register> r;
  for (int i = 0; i < r.kCount; ++i) {
    if (mask >> i & 1) std::memcpy(&r.lane[i], static_cast<const Lane*>(x) + i, sizeof(Lane));
  }
  return r.value();
}

template <class Lane, class Register, class Mask>
void mask_store(void* out, Mask mask, Register x) {
  const Lanes<Lane, Register> r(x);
  for (int i = 0; i < r.kCount; ++i) {
    if (mask >> i & 1) std::memcpy(static_cast<Lane*>(out) + i, &r.lane[i], sizeof(Lane));
  }
}

template <class To, class ToRegister, class From, class FromRegister, class Convert>
ToRegister convert(FromRegister x, Convert convert_lane) {
  const Lanes<From, FromRegister> from(x);
  Lanes<To, ToRegister> to;
  static_assert(to.kCount == from.kCount);
  for (int i = 0; i < to.kCount; ++i) to.lane[i] = convert_lane(from.lane[i]);
  return to.value();
}

// Bit by bit: the bit of `table` whose number the bits of a, b and c make, a being the highest.
template <class Register>
Register ternary_logic(Register a, Register b, Register c, int table) {
  const Lanes<uint32_t, Register> x(a), y(b), z(c);
  Lanes<uint32_t, Register> r;
  for (int i = 0; i < r.kCount; ++i) {
    for (int row = 0; row < 8; ++row) {
      if (!(table >> row & 1)) continue;
      const uint32_t fits_x = row & 4 ? x.lane[i] : ~x.lane[i], fits_y = row & 2 ? y.lane[i] : ~y.lane[i];
      r.lane[i] |= fits_x & fits_y & (row & 1 ? z.lane[i] : ~z.lane[i]);
    }
  }
  return r.value();
}

inline int32_t round_to_int(float x) {
  return x >= -0x1p31f && x < 0x1p31f ? static_cast<int32_t>(std::nearbyint(x)) : INT32_MIN;  // NaN too
}

}  // namespace emulated

#undef _mm_maskz_loadu_epi8
#define _mm_maskz_loadu_epi8(m, x) emulated::maskz_load<int8_t, simde__m128i>(m, x)
#undef _mm512_maskz_loadu_epi8
#define _mm512_maskz_loadu_epi8(m, x) emulated::maskz_load<int8_t, simde__m512i>(m, x)
#undef _mm256_maskz_loadu_epi16
#define _mm256_maskz_loadu_epi16(m, x) emulated::maskz_load<int16_t, simde__m256i>(m, x)
#undef _mm512_maskz_loadu_epi32
#define _mm512_maskz_loadu_epi32(m, x) emulated::maskz_load<int32_t, simde__m512i>(m, x)
#undef _mm512_maskz_loadu_ps
#define _mm512_maskz_loadu_ps(m, x) emulated::maskz_load<float, simde__m512>(m, x)
#undef _mm_mask_storeu_epi8
#define _mm_mask_storeu_epi8(out, m, x) emulated::mask_store<int8_t, simde__m128i>(out, m, x)
#undef _mm_mask_storeu_epi32
#define _mm_mask_storeu_epi32(out, m, x) emulated::mask_store<int32_t, simde__m128i>(out, m, x)
#undef _mm256_mask_storeu_epi32
#define _mm256_mask_storeu_epi32(out, m, x) emulated::mask_store<int32_t, simde__m256i>(out, m, x)
#undef _mm256_mask_storeu_epi16
#define _mm256_mask_storeu_epi16(out, m, x) emulated::mask_store<int16_t, simde__m256i>(out, m, x)
#undef _mm512_mask_storeu_epi8
#define _mm512_mask_storeu_epi8(out, m, x) emulated::mask_store<int8_t, simde__m512i>(out, m, x)
#undef _mm512_mask_storeu_epi32
#define _mm512_mask_storeu_epi32(out, m, x) emulated::mask_store<int32_t, simde__m512i>(out, m, x)
#undef _mm512_mask_storeu_ps
#define _mm512_mask_storeu_ps(out, m, x) emulated::mask_store<float, simde__m512>(out, m, x)

#undef _mm512_ternarylogic_epi32
#define _mm512_ternarylogic_epi32(a, b, c, table) emulated::ternary_logic(a, b, c, table)

// AVX2's masks are the signs of lanes.
#undef _mm256_maskload_epi32
#define _mm256_maskload_epi32(x, m) \
  emulated::maskz_load<int32_t, simde__m256i>(_mm256_movemask_ps(_mm256_castsi256_ps(m)), x)
#undef _mm256_maskload_ps
#define _mm256_maskload_ps(x, m) emulated::maskz_load<float, simde__m256>(_mm256_movemask_ps(_mm256_castsi256_ps(m)), x)
#undef _mm256_maskstore_epi32
#define _mm256_maskstore_epi32(out, m, x) \
  emulated::mask_store<int32_t, simde__m256i>(out, _mm256_movemask_ps(_mm256_castsi256_ps(m)), x)

#undef _mm512_cvtepi32_ps
#define _mm512_cvtepi32_ps(x) \
  emulated::convert<float, simde__m512, int32_t>(x, [](int32_t v) { return static_cast<float>(v); })
#undef _mm512_cvtps_epi32
#define _mm512_cvtps_epi32(x) emulated::convert<int32_t, simde__m512i, float>(x, emulated::round_to_int)
#undef _mm512_cvtepi32_epi16
#define _mm512_cvtepi32_epi16(x) \
  emulated::convert<int16_t, simde__m256i, int32_t>(x, [](int32_t v) { return static_cast<int16_t>(v); })
#undef _mm512_cvtepu16_epi32
#define _mm512_cvtepu16_epi32(x) \
  emulated::convert<int32_t, simde__m512i, uint16_t>(x, [](uint16_t v) { return static_cast<int32_t>(v); })
#undef _mm512_cvtps_ph
#define _mm512_cvtps_ph(x, nearest_even) emulated::convert<uint16_t, simde__m256i, float>(x, a8w8::float_to_half)
#undef _mm512_cvtph_ps
#define _mm512_cvtph_ps(x) emulated::convert<float, simde__m512, uint16_t>(x, a8w8::half_to_float)

#undef _mm256_cvtps_ph
#define _mm256_cvtps_ph(x, nearest_even) emulated::convert<uint16_t, simde__m128i, float>(x, a8w8::float_to_half)
#undef _mm256_cvtph_ps
#define _mm256_cvtph_ps(x) emulated::convert<float, simde__m256, uint16_t>(x, a8w8::half_to_float)

// The VEX encodings do the same as the EVEX ones.
#define _mm_dpbusd_avx_epi32 _mm_dpbusd_epi32
#define _mm256_dpbusd_avx_epi32 _mm256_dpbusd_epi32
