// Everything that is wrong with a checkpoint, told at once: a user with forty bad layers should not learn of them one
// by one.
#pragma once

#include <string>
#include <vector>

#include "a8w8/status.h"

namespace a8w8::checkpoint {

class Findings {
 public:
  void add(const std::string& text, ErrorCode code = ErrorCode::kCorrupt);

  // All findings in one message, the first kMaxShown in words. The code is kCorrupt if any finding's is, else the first
  // one's.
  Status status(const std::string& where) const;

  static constexpr size_t kMaxShown = 20;

 private:
  ErrorCode code_ = ErrorCode::kOk;
  size_t count_ = 0;
  std::vector<std::string> shown_;
};

}  // namespace a8w8::checkpoint
