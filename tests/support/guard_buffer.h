// An array that ends where an inaccessible page begins: reading or writing one byte past its end kills the test. In
// front of it lies a canary, which catches writes before its begin. Vector code written by hand is invisible to
// sanitizers; this is not.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

namespace a8w8::test {

template <class T>
class GuardBuffer {
 public:
  explicit GuardBuffer(int64_t count) : count_(count) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t bytes = static_cast<size_t>(count) * sizeof(T);
    const size_t usable = (bytes + kCanaryBytes + page - 1) / page * page;
    mapped_bytes_ = usable + page;
    void* map = mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) throw std::bad_alloc();
    map_ = static_cast<uint8_t*>(map);
    mprotect(map_ + usable, page, PROT_NONE);
    data_ = reinterpret_cast<T*>(map_ + usable - bytes);
    std::fill(canary(), canary() + kCanaryBytes, kCanary);
  }
  ~GuardBuffer() { munmap(map_, mapped_bytes_); }
  GuardBuffer(const GuardBuffer&) = delete;
  GuardBuffer& operator=(const GuardBuffer&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }
  int64_t size() const { return count_; }
  T* begin() { return data_; }
  T* end() { return data_ + count_; }
  T& operator[](int64_t i) { return data_[i]; }
  const T& operator[](int64_t i) const { return data_[i]; }
  bool front_is_intact() const {
    return std::all_of(canary(), canary() + kCanaryBytes, [](uint8_t byte) { return byte == kCanary; });
  }

 private:
  static constexpr size_t kCanaryBytes = 256;
  static constexpr uint8_t kCanary = 0xa5;

  uint8_t* canary() const { return reinterpret_cast<uint8_t*>(data_) - kCanaryBytes; }

  int64_t count_;
  size_t mapped_bytes_;
  uint8_t* map_;
  T* data_;
};

}  // namespace a8w8::test
