// A file in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace a8w8::checkpoint {

// Maps a regular file. Pages are private: a write through a stray pointer changes this process's copy of the page,
// never the file, and does not crash. If another process cuts the file short while it is mapped, touching the lost
// pages raises SIGBUS; no reader that maps files can prevent that, and writers that replace files by rename
// (atomic_file.h) never do it.
class MappedFile {
 public:
  // Throws Error: kNotFound, or kIo with the system's reason.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;

  const std::byte* data() const { return data_; }  // page-aligned; null if the file is empty
  int64_t size() const { return size_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), static_cast<size_t>(size_)}; }

 private:
  std::byte* data_ = nullptr;
  int64_t size_ = 0;
};

// Gives back the memory of whole pages in a range of a mapped file that was only read. They can be read again, from the
// system's cache or the disk. For a file that is longer than the memory and read once, from front to back.
void release_pages(const void* data, size_t bytes);

}  // namespace a8w8::checkpoint
