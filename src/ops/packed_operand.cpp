#include "ops/packed_operand.h"

#include <cstring>

#include "a8w8/dtype.h"
#include "a8w8/status.h"
#include "base/math.h"
#include "base/str_cat.h"
#include "kernels/registry.h"
#include "matmul/layout.h"

namespace a8w8 {
namespace {

template <class... Parts>
[[noreturn]] void refuse(ErrorCode code, const Parts&... parts) {
  throw Error(code, str_cat("packed weight: ", parts...));
}

}  // namespace

PackedOperand packed_operand(const void* bytes, size_t size) {
  if (bytes == nullptr || size < sizeof(PackedHeader))
    refuse(ErrorCode::kInvalidArgument, "it has ", size, " bytes, which is less than its header");
  if (reinterpret_cast<uintptr_t>(bytes) % 64 != 0)
    refuse(ErrorCode::kInvalidArgument, "its bytes must be 64-byte aligned");
  const PackedHeader& h = *static_cast<const PackedHeader*>(bytes);
  if (std::memcmp(h.magic, kPackedMagic, sizeof h.magic) != 0)
    refuse(ErrorCode::kInvalidArgument, "its bytes do not begin with A8W8PACK; PackedWeight::pack makes them");
  if (h.version != kPackedVersion) {
    refuse(ErrorCode::kUnsupported, "it is of version ", h.version, ", but this library reads version ", kPackedVersion,
           "; pack the plain weight again");
  }
  // Sizes beyond 2^31 cannot be right, and below it nothing overflows.
  constexpr int64_t kMax = int64_t{1} << 31;
  const bool sizes = h.n > 0 && h.n < kMax && h.k > 0 && h.k < kMax && (!h.int4 || h.k % kInt4PerWord == 0);
  if (!sizes || h.kernel[sizeof h.kernel - 1] != 0 || h.bytes != size)
    refuse(ErrorCode::kInvalidArgument, "its header is damaged: n = ", h.n, ", k = ", h.k, ", ", h.bytes,
           " bytes, of which ", size, " are there");
  const GemmKernel* kernel = find_gemm(h.kernel);
  if (kernel != nullptr && packed_bytes(*kernel, h.n, h.k) != h.bytes)
    refuse(ErrorCode::kInvalidArgument, "its header is damaged: ", h.bytes, " bytes do not fit n = ", h.n,
           " and k = ", h.k);
  return {&h, kernel};
}

PackedOperand packed_operand(const void* bytes) {
  return packed_operand(bytes, static_cast<const PackedHeader*>(bytes)->bytes);
}

void check_packed_sizes(const PackedHeader& h, int64_t n, int64_t k) {
  if (h.n != n || h.k != k) {
    refuse(ErrorCode::kInvalidArgument, "it is (n, k) = (", h.n, ", ", h.k, "), but its view says (", n, ", ", k, ")");
  }
}

const GemmKernel& packed_kernel(const PackedOperand& packed, IsaSet isas) {
  const char* const name = packed.header->kernel;
  if (packed.kernel == nullptr)
    refuse(ErrorCode::kUnsupported, "it is for the kernel ", name, ", which this build does not have; pack again");
  if (!isas.contains(packed.kernel->needs)) {
    refuse(ErrorCode::kUnsupported, "it is for the kernel ", name, ", but only ", isa_names(isas),
           " may be used here; pack the plain weight again with this context");
  }
  return *packed.kernel;
}

}  // namespace a8w8
