#include "checkpoint/atomic_folder.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "checkpoint/file_util.h"

namespace a8w8::checkpoint {
namespace fs = std::filesystem;
namespace {

// False if this system or file system has no such call.
bool exchange_in_one_step(const std::string& a, const std::string& b) {
#if defined(__linux__) && defined(RENAME_EXCHANGE)
  if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0) return true;
  // EPERM: sandboxes that filter system calls answer so to calls they do not know.
  if (errno != ENOSYS && errno != EINVAL && errno != EPERM) throw_write_error(b, "replace", errno);
#else
  (void)a, (void)b;
#endif
  return false;
}

// A lock of the folder itself, which ends with the process that holds it; -1 if somebody else holds it, or if the file
// system has no such locks.
int lock_folder(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  if (fd >= 0) ::close(fd);
  return -1;
}

// The process in a name of temporary_sibling, "<prefix><pid>-<n>"; 0 for any other name.
pid_t maker_of(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return 0;
  name.remove_prefix(prefix.size());
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  return error == std::errc() && end != name.data() + name.size() && *end == '-' ? pid : 0;
}

// What killed processes left of earlier attempts at the same target. Another attempt that is under way, perhaps on
// another machine, holds the lock of its folder.
void remove_leftovers(const std::string& target) {
  std::error_code error;
  const std::string prefix = temporary_prefix(target);
  for (fs::directory_iterator it(parent_folder(target), error), end; !error && it != end; it.increment(error)) {
    const pid_t pid = maker_of(it->path().filename().string(), prefix);
    if (pid <= 0 || ::kill(pid, 0) == 0 || errno != ESRCH) continue;
    const int lock = lock_folder(it->path().string());
    if (lock < 0) continue;
    std::error_code ignored;
    fs::remove_all(it->path(), ignored);
    ::close(lock);
  }
}

}  // namespace

void exchange_by_renaming(const std::string& a, const std::string& b) {
  const std::string aside = temporary_sibling(b);
  if (::rename(b.c_str(), aside.c_str()) != 0) throw_write_error(b, "move aside", errno);
  if (::rename(a.c_str(), b.c_str()) != 0) {
    const int error = errno;
    if (::rename(aside.c_str(), b.c_str()) != 0) throw_write_error(b, "move back from " + aside, errno);
    throw_write_error(b, "replace", error);
  }
  if (::rename(aside.c_str(), a.c_str()) != 0) throw_write_error(aside, "rename", errno);
}

AtomicFolder::AtomicFolder(const std::string& target) : target_(target) {
  remove_leftovers(target);
  int failed = 0;
  do {  // names of an earlier process of the same id may still lie around
    temporary_ = temporary_sibling(target);
    failed = ::mkdir(temporary_.c_str(), 0777) != 0 ? errno : 0;
  } while (failed == EEXIST);
  if (failed != 0) {
    temporary_.clear();
    throw_write_error(target_, "create", failed);
  }
  lock_ = lock_folder(temporary_);
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
  if (lock_ >= 0) ::close(lock_);
}

void AtomicFolder::commit(bool durable) {
  if (durable) sync_folder(temporary_);
  struct stat info;
  const bool exists = ::lstat(target_.c_str(), &info) == 0;
  if (!exists) {
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) throw_write_error(target_, "create", errno);
  } else if (!exchange_in_one_step(temporary_, target_)) {
    exchange_by_renaming(temporary_, target_);
  }
  const std::string old = temporary_;  // what was at the target, if anything
  temporary_.clear();
  if (durable) sync_folder(parent_folder(target_));
  std::error_code error;
  if (exists) fs::remove_all(old, error);
  if (error) throw_write_error(old, "remove the replaced folder (the new one is complete)", error.value());
}

}  // namespace a8w8::checkpoint
