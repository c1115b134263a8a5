// A file that appears whole or not at all.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace a8w8::checkpoint {

// Writes go to a hidden temporary file beside `path`; commit() makes it durable, unless told not to wait for the disk,
// and renames it over `path`. Without a
// commit the destructor removes it, and whatever was at `path` before is untouched. Every failure throws Error(kIo)
// with the path and the system's reason.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t bytes);
  void commit(bool durable = true);

 private:
  void write_through(const std::byte* data, size_t bytes);
  void flush();

  std::string path_;
  std::string temporary_;
  int fd_ = -1;
  std::vector<std::byte> buffer_;  // collects small writes
};

void write_file_atomically(const std::string& path, const std::string& contents, bool durable = true);

}  // namespace a8w8::checkpoint
