#include "checkpoint/file_util.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <system_error>

namespace a8w8::checkpoint {
namespace fs = std::filesystem;
namespace {

std::string reason(int error_number) { return std::generic_category().message(error_number); }

}  // namespace

void throw_read_error(const std::string& path, int error_number) {
  const bool absent = error_number == ENOENT || error_number == ENOTDIR;
  throw Error(absent ? ErrorCode::kNotFound : ErrorCode::kIo, path + ": cannot open: " + reason(error_number));
}

void throw_write_error(const std::string& path, const std::string& action, int error_number) {
  throw Error(ErrorCode::kIo, path + ": cannot " + action + ": " + reason(error_number));
}

std::string parent_folder(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

std::string temporary_prefix(const std::string& path) {
  // Cut, so that the longer name is legal wherever `path` is: file systems allow 255 bytes a name.
  return "." + fs::path(path).filename().string().substr(0, 180) + ".tmp-";
}

std::string temporary_sibling(const std::string& path) {
  static std::atomic<uint64_t> counter{0};
  return (fs::path(path).parent_path() /
          (temporary_prefix(path) + std::to_string(::getpid()) + "-" + std::to_string(counter++)))
      .string();
}

void sync_folder(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw_write_error(folder, "open the folder", errno);
  const int failed = ::fsync(fd) != 0 ? errno : 0;
  ::close(fd);
  if (failed != 0 && failed != EINVAL)
    throw_write_error(folder, "sync", failed);  // EINVAL: needless on this file system
}

std::vector<std::string> folder_entries(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (error) throw_read_error(folder, error.value());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace a8w8::checkpoint
