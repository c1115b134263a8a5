// A folder that appears whole or not at all.
#pragma once

#include <string>

namespace a8w8::checkpoint {

// Files are written under path(), a hidden temporary folder beside the target; commit() moves it into place, makes that
// durable unless told not to wait for the disk, and removes the folder that was there. Without a commit the destructor
// removes the temporary folder, and the target is untouched; if the process is killed, the temporary folder stays until
// the next AtomicFolder of the same target removes it. Which existing folders may be replaced is the caller's decision.
// Failures throw Error(kIo).
class AtomicFolder {
 public:
  explicit AtomicFolder(const std::string& target);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  const std::string& path() const { return temporary_; }
  void commit(bool durable = true);

 private:
  std::string target_;
  std::string temporary_;
  int lock_ = -1;  // of the temporary folder
};

// Exchanges two folders by renaming; for file systems that cannot do it in one step. Between the steps `b` is absent
// for a moment; if a step fails, the ones before it are undone.
void exchange_by_renaming(const std::string& a, const std::string& b);

}  // namespace a8w8::checkpoint
