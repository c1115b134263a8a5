#include "checkpoint/atomic_folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
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
  int failed = 0;
  do {  // names of an earlier process of the same id may still lie around
    temporary_ = temporary_sibling(target);
    failed = ::mkdir(temporary_.c_str(), 0777) != 0 ? errno : 0;
  } while (failed == EEXIST);
  if (failed != 0) {
    temporary_.clear();
    throw_write_error(target_, "create", failed);
  }
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

void AtomicFolder::commit() {
  sync_folder(temporary_);
  struct stat info;
  const bool exists = ::lstat(target_.c_str(), &info) == 0;
  if (!exists) {
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) throw_write_error(target_, "create", errno);
  } else if (!exchange_in_one_step(temporary_, target_)) {
    exchange_by_renaming(temporary_, target_);
  }
  const std::string old = temporary_;  // what was at the target, if anything
  temporary_.clear();
  sync_folder(parent_folder(target_));
  std::error_code error;
  if (exists) fs::remove_all(old, error);
  if (error) throw_write_error(old, "remove the replaced folder (the new one is complete)", error.value());
}

}  // namespace a8w8::checkpoint
