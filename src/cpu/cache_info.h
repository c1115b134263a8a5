// How large the data caches are.
//
//   const int64_t panel = cache_sizes().l2 / 2;
//
// l3 is the last level, which cores share; where there is no third level, it is the second once more.
#pragma once

#include <cstdint>
#include <string>

namespace a8w8 {

// Bytes of one cache of each level.
struct CacheSizes {
  int64_t l1d = 32 << 10;
  int64_t l2 = 1 << 20;
  int64_t l3 = 8 << 20;
};

// Of this machine; found once. What the system does not tell keeps the values above.
const CacheSizes& cache_sizes();

// What a folder in the form of Linux's /sys/devices/system/cpu/cpu0/cache says: index*/{level,type,size}. All zero if
// there is none.
CacheSizes read_cache_folder(const std::string& folder);

}  // namespace a8w8
