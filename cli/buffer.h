// Memory as tensors usually have it: aligned to a cache line, in pages of the usual size.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

namespace a8w8::cli {

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t bytes) : bytes_(static_cast<std::byte*>(::operator new(bytes, kLine))), size_(bytes) {
    std::memset(data(), 0, size_);
  }

  std::byte* data() { return bytes_.get(); }
  const std::byte* data() const { return bytes_.get(); }
  size_t size() const { return size_; }

 private:
  static constexpr std::align_val_t kLine{64};
  struct Free {
    void operator()(std::byte* p) const { ::operator delete(p, kLine); }
  };

  std::unique_ptr<std::byte, Free> bytes_;
  size_t size_ = 0;
};

}  // namespace a8w8::cli
