// Several buffers in one piece of an ExecutionContext's scratch.
//
//   ScratchLayout layout;
//   const size_t sums = layout.add<int32_t>(m * n);
//   std::byte* base = ctx.scratch(layout.bytes());
//   int32_t* c = ScratchLayout::at<int32_t>(base, sums);
#pragma once

#include <cstddef>
#include <cstdint>

namespace a8w8 {

class ScratchLayout {
 public:
  static constexpr size_t kAlignment = 64;  // a cache line; what the widest vector load likes

  // Reserves room for `count` elements and returns its offset.
  template <class T>
  size_t add(int64_t count) {
    const size_t at = bytes_;
    bytes_ += (static_cast<size_t>(count) * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    return at;
  }
  size_t bytes() const { return bytes_; }

  template <class T>
  static T* at(std::byte* base, size_t offset) {
    return reinterpret_cast<T*>(base + offset);
  }

 private:
  size_t bytes_ = 0;
};

}  // namespace a8w8
