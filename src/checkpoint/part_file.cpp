#include "checkpoint/part_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <utility>

#include "checkpoint/file_util.h"

namespace a8w8::checkpoint {
namespace {

constexpr size_t kMaxWriteBytes = size_t{1} << 30;  // Linux writes at most 2 GiB - 4 KiB a call

// Starts writing to the disk now, so that the end does not have to wait for everything at once.
void start_writeback([[maybe_unused]] int fd, [[maybe_unused]] int64_t position, [[maybe_unused]] size_t bytes) {
#if defined(__linux__)
  constexpr size_t kWorthACall = size_t{1} << 18;
  if (bytes >= kWorthACall) {
    (void)::sync_file_range(fd, position, static_cast<off64_t>(bytes), SYNC_FILE_RANGE_WRITE);  // a hint; may fail
  }
#endif
}

}  // namespace

PartFile::PartFile(std::string path, SafetensorsLayout layout, bool durable)
    : path_(std::move(path)), layout_(std::move(layout)), durable_(durable), missing_(layout_.data_bytes()) {}

PartFile::~PartFile() {
  if (fd_ >= 0) ::close(fd_);
}

int PartFile::descriptor() {
  if (const int fd = fd_.load(std::memory_order_acquire); fd >= 0) return fd;
  const std::lock_guard lock(opening_);
  if (fd_ >= 0) return fd_;
  const int fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) throw_write_error(path_, "create", errno);
  try {
    write_at(fd, 0, reinterpret_cast<const std::byte*>(layout_.head.data()), layout_.head.size());
  } catch (...) {
    ::close(fd);
    throw;
  }
  fd_.store(fd, std::memory_order_release);
  return fd;
}

void PartFile::write_at(int fd, int64_t position, const std::byte* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t written = ::pwrite(fd, data, std::min(bytes, kMaxWriteBytes), position);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_write_error(path_, "write", errno);
    data += written;
    position += written;
    bytes -= static_cast<size_t>(written);
  }
}

void PartFile::write(size_t entry, int64_t offset, const void* data, size_t bytes) {
  if (bytes == 0) return;
  const int fd = descriptor();
  const int64_t position = static_cast<int64_t>(layout_.head.size()) + layout_.entries[entry].begin + offset;
  write_at(fd, position, static_cast<const std::byte*>(data), bytes);
  if (durable_) start_writeback(fd, position, bytes);
  if (missing_.fetch_sub(static_cast<int64_t>(bytes)) == static_cast<int64_t>(bytes)) close();
}

void PartFile::close() {
  const int fd = fd_.exchange(-1);
  const int failed = durable_ && ::fsync(fd) != 0 ? errno : 0;
  const int failed_to_close = ::close(fd) != 0 ? errno : 0;  // closed even so
  if (failed != 0) throw_write_error(path_, "sync", failed);
  if (failed_to_close != 0) throw_write_error(path_, "close", failed_to_close);
}

void PartFile::finish() {
  if (missing_ != 0) {
    throw std::logic_error(path_ + ": " + std::to_string(missing_) + " bytes of its tensors were never written");
  }
  if (layout_.data_bytes() > 0) return;
  descriptor();
  close();
}

}  // namespace a8w8::checkpoint
