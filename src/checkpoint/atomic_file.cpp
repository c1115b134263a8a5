#include "checkpoint/atomic_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "checkpoint/file_util.h"

namespace a8w8::checkpoint {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 20;
constexpr size_t kMaxWriteBytes = size_t{1} << 30;  // Linux writes at most 2 GiB - 4 KiB a call

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : path_(path) {
  do {  // names of an earlier process of the same id may still lie around
    temporary_ = temporary_sibling(path);
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (fd_ < 0 && errno == EEXIST);
  if (fd_ < 0) throw_write_error(path_, "create", errno);
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, size_t bytes) {
  const std::byte* begin = static_cast<const std::byte*>(data);
  if (buffer_.size() + bytes > kBufferBytes) flush();
  if (bytes > kBufferBytes) {
    write_through(begin, bytes);
  } else {
    buffer_.insert(buffer_.end(), begin, begin + bytes);
  }
}

void AtomicFile::write_through(const std::byte* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t written = ::write(fd_, data, std::min(bytes, kMaxWriteBytes));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_write_error(path_, "write", errno);
    data += written;
    bytes -= static_cast<size_t>(written);
  }
}

void AtomicFile::flush() {
  write_through(buffer_.data(), buffer_.size());
  buffer_.clear();
}

void AtomicFile::commit(bool durable) {
  flush();
  if (durable && ::fsync(fd_) != 0) throw_write_error(path_, "sync", errno);
  const int fd = fd_;
  fd_ = -1;  // closed even if close reports an error
  if (::close(fd) != 0) throw_write_error(path_, "close", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) throw_write_error(path_, "replace", errno);
  temporary_.clear();
  if (durable) sync_folder(parent_folder(path_));
}

void write_file_atomically(const std::string& path, const std::string& contents, bool durable) {
  AtomicFile file(path);
  file.write(contents.data(), contents.size());
  file.commit(durable);
}

}  // namespace a8w8::checkpoint
