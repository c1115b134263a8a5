// Large arrays that are read again and again are better off in large pages: fewer address translations, and the
// hardware's prefetchers, which stop at the end of a page, run on.
#pragma once

#include <cstddef>

namespace a8w8 {

inline constexpr size_t kHugePage = size_t{2} << 20;

// Asks the system for large pages in this memory, before it is first touched. A request: nothing depends on it.
void advise_huge_pages(void* memory, size_t bytes);

}  // namespace a8w8
