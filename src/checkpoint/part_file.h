// A safetensors file that is filled in any order, by any number of threads: where each tensor lies is known beforehand.
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <string>

#include "checkpoint/safetensors_writer.h"

namespace a8w8::checkpoint {

// Made when its first bytes come, closed when its last ones have come, so that of a checkpoint of many parts few are
// open at a time. A durable one is on the disk then. Not atomic: it lies in an AtomicFolder. Failures throw Error(kIo)
// with the path and the system's reason.
class PartFile {
 public:
  PartFile(std::string path, SafetensorsLayout layout, bool durable);
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  // `offset` counts bytes from the start of tensor `entry`. Every byte is written once.
  void write(size_t entry, int64_t offset, const void* data, size_t bytes);
  // Makes the file if no tensor has any bytes, and throws std::logic_error if bytes are missing.
  void finish();

  const std::string& path() const { return path_; }
  const SafetensorsLayout& layout() const { return layout_; }

 private:
  int descriptor();
  void write_at(int fd, int64_t position, const std::byte* data, size_t bytes);
  void close();

  std::string path_;
  SafetensorsLayout layout_;
  bool durable_;
  std::mutex opening_;
  std::atomic<int> fd_{-1};
  std::atomic<int64_t> missing_;  // bytes not yet written
};

}  // namespace a8w8::checkpoint
