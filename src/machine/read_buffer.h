// Memory to measure how fast it is read: much more than the caches hold, in large pages, and taken task by task.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include "a8w8/context.h"
#include "kernels/peak_kernel.h"

namespace a8w8 {

struct ReadPattern {
  int64_t streams, ahead;
};
// Hardware follows one stream well on some machines, several on others; requests ahead help or hinder.
inline constexpr ReadPattern kReadPatterns[] = {{1, 0}, {1, 4096}, {2, 0}, {2, 2048},
                                                {4, 0}, {4, 1024}, {8, 0}, {8, 1024}};

class ReadBuffer {
 public:
  static constexpr int64_t kTaskBytes = 4 << 20;

  ReadBuffer(int64_t cache_bytes, ExecutionContext& ctx);
  int64_t tasks() const { return tasks_; }
  void read(const PeakKernel& kernel, const ReadPattern& pattern, int64_t task) const {
    volatile uint64_t seen = kernel.read(data_.get() + task * kTaskBytes, kTaskBytes, pattern.streams, pattern.ahead);
    static_cast<void>(seen);
  }

 private:
  struct Release {
    void operator()(std::byte* p) const;
  };
  int64_t tasks_;
  std::unique_ptr<std::byte[], Release> data_;
};

}  // namespace a8w8
