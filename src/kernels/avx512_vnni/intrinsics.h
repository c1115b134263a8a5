// <immintrin.h> without the false alarms of GCC 11 to 13, whose AVX-512 intrinsics pass on a register that they leave
// undefined on purpose and are then warned about where they are inlined.
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif
