#include "machine/large_buffer.h"

#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace a8w8 {
namespace {

constexpr std::align_val_t kLargePage{2 << 20};

}  // namespace

LargeBuffer::LargeBuffer(int64_t bytes)
    : data_(static_cast<std::byte*>(::operator new(static_cast<size_t>(bytes), kLargePage))), bytes_(bytes) {
#if defined(__linux__)
  madvise(data_, static_cast<size_t>(bytes), MADV_HUGEPAGE);  // a wish: refused, the pages are small
#endif
}

LargeBuffer::~LargeBuffer() { ::operator delete(data_, kLargePage); }

}  // namespace a8w8
