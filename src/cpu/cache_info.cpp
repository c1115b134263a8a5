#include "cpu/cache_info.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace a8w8 {
namespace {

std::string first_word(const std::string& path) {
  std::string word;
  std::ifstream(path) >> word;
  return word;
}

// "32K", "1024K", "32M", "65536"; 0 for anything else.
int64_t parse_size(const std::string& text) {
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  if (digits == 0 || digits > 12) return 0;
  const int64_t number = std::stoll(text.substr(0, digits));
  const std::string unit = text.substr(digits);
  return unit.empty() ? number : unit == "K" ? number << 10 : unit == "M" ? number << 20 : 0;
}

int64_t from_sysconf([[maybe_unused]] int level) {
#if defined(_SC_LEVEL1_DCACHE_SIZE)
  constexpr int kNames[] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE};
  return std::max<int64_t>(0, sysconf(kNames[level - 1]));
#else
  return 0;
#endif
}

// sysfs first: in virtual machines on AMD, sysconf has been seen to multiply the third level by the cores of the host.
CacheSizes find_cache_sizes() {
  const CacheSizes told = read_cache_folder("/sys/devices/system/cpu/cpu0/cache"), fallback;
  const auto size = [](int64_t from_sysfs, int level, int64_t otherwise) {
    if (from_sysfs > 0) return from_sysfs;
    const int64_t from_system = from_sysconf(level);
    return from_system > 0 ? from_system : otherwise;
  };
  CacheSizes found;
  found.l1d = size(told.l1d, 1, fallback.l1d);
  found.l2 = size(told.l2, 2, fallback.l2);
  const bool two_levels = told.l2 > 0 && told.l3 == 0;
  found.l3 = std::max(found.l2, two_levels ? told.l2 : size(told.l3, 3, fallback.l3));
  return found;
}

}  // namespace

CacheSizes read_cache_folder(const std::string& folder) {
  CacheSizes found{0, 0, 0};
  for (int index = 0; index < 16; ++index) {
    const std::string at = folder + "/index" + std::to_string(index) + "/";
    const std::string level = first_word(at + "level");
    if (level.empty()) break;
    if (first_word(at + "type") == "Instruction") continue;
    int64_t* const size = level == "1" ? &found.l1d : level == "2" ? &found.l2 : level == "3" ? &found.l3 : nullptr;
    if (size) *size = parse_size(first_word(at + "size"));
  }
  return found;
}

const CacheSizes& cache_sizes() {
  static const CacheSizes sizes = find_cache_sizes();
  return sizes;
}

}  // namespace a8w8
