// Memory in large pages where the system has them, zeroed: reading it costs as few page walks as possible.
#pragma once

#include <cstddef>
#include <cstdint>

namespace a8w8 {

class LargeBuffer {
 public:
  explicit LargeBuffer(int64_t bytes);  // throws std::bad_alloc
  ~LargeBuffer();
  LargeBuffer(const LargeBuffer&) = delete;
  LargeBuffer& operator=(const LargeBuffer&) = delete;

  std::byte* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  std::byte* data_;
  int64_t bytes_;
};

}  // namespace a8w8
