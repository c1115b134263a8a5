#include "kernels/registry.h"

#include <cstring>

namespace a8w8 {

// Each table is in src/kernels/<isa>/table.cpp; CMake defines A8W8_HAVE_<ISA> for the folders it compiles.
namespace scalar {
extern const IsaTable kTable;
}
#ifdef A8W8_HAVE_AVX2
namespace avx2 {
extern const IsaTable kTable;
}
#endif
#ifdef A8W8_HAVE_AVX_VNNI
namespace avx_vnni {
extern const IsaTable kTable;
}
#endif
#ifdef A8W8_HAVE_AVX512_VNNI
namespace avx512_vnni {
extern const IsaTable kTable;
}
#endif
#ifdef A8W8_HAVE_AMX_INT8
namespace amx_int8 {
extern const IsaTable kTable;
}
#endif
#ifdef A8W8_HAVE_NEON_DOT
namespace neon_dot {
extern const IsaTable kTable;
}
#endif
#ifdef A8W8_HAVE_NEON_I8MM
namespace neon_i8mm {
extern const IsaTable kTable;
}
#endif

namespace {

constexpr const IsaTable* kTables[] = {
#ifdef A8W8_HAVE_NEON_I8MM
    &neon_i8mm::kTable,
#endif
#ifdef A8W8_HAVE_NEON_DOT
    &neon_dot::kTable,
#endif
#ifdef A8W8_HAVE_AMX_INT8
    &amx_int8::kTable,
#endif
#ifdef A8W8_HAVE_AVX512_VNNI
    &avx512_vnni::kTable,
#endif
#ifdef A8W8_HAVE_AVX_VNNI
    &avx_vnni::kTable,
#endif
#ifdef A8W8_HAVE_AVX2
    &avx2::kTable,
#endif
    &scalar::kTable,
};

// Tables are in the order of preference and so are the rows of a table: the first row that may run is the best one.
template <class Kernel>
const Kernel& first_available(std::span<const Kernel> IsaTable::*rows, IsaSet available) {
  for (const IsaTable* table : kTables) {
    for (const Kernel& kernel : table->*rows) {
      if (available.contains(kernel.needs)) return kernel;
    }
  }
  return (scalar::kTable.*rows).front();  // unreachable: `available` contains Isa::kScalar
}

}  // namespace

std::span<const IsaTable* const> isa_tables() { return kTables; }

const GemmKernel* find_gemm(std::string_view name) {
  for (const IsaTable* table : kTables) {
    for (const GemmKernel& kernel : table->gemm) {
      if (std::strncmp(kernel.name, name.data(), name.size()) == 0 && kernel.name[name.size()] == '\0') return &kernel;
    }
  }
  return nullptr;
}

const GemmKernel& select_gemm(IsaSet available) { return first_available(&IsaTable::gemm, available); }
const DotKernel& select_dot(IsaSet available) { return first_available(&IsaTable::dot, available); }
const DotKernel* select_dot_int4(IsaSet available) {
  for (const IsaTable* table : kTables) {
    for (const DotKernel& kernel : table->dot_int4) {
      if (available.contains(kernel.needs)) return &kernel;
    }
    if (available.contains(table->dot.front().needs)) return nullptr;  // its widened form is better than an older set's
  }
  return nullptr;
}
const EpilogueKernel& select_epilogue(IsaSet available) { return first_available(&IsaTable::epilogue, available); }
const QuantizeKernel& select_quantize(IsaSet available) { return first_available(&IsaTable::quantize, available); }
const PeakKernel& select_peak(IsaSet available) { return first_available(&IsaTable::peak, available); }

}  // namespace a8w8
