// Everything that is wrong with a checkpoint, told at once: a user with forty bad layers should not learn of them one
// by one.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "a8w8/inspect.h"
#include "a8w8/status.h"

namespace a8w8::checkpoint {

class Findings {
 public:
  void add(Finding finding, ErrorCode code = ErrorCode::kCorrupt);
  void warn(Finding finding);
  // What a reader threw: "<folder>/<file>: <text>" or "<folder>: <text>", where text may begin with a quoted tensor.
  void add_error(const Error& error, const std::string& folder);

  // All findings but the warnings in one message, the first kMaxShown in words. The code is kCorrupt if any finding's
  // is, else the first one's.
  Status status(const std::string& folder) const;

  const std::vector<Finding>& all() const { return kept_; }  // the first kMaxKept, warnings included
  size_t omitted() const { return count_ - kept_.size(); }

  static constexpr size_t kMaxShown = 20;
  static constexpr size_t kMaxKept = 1000;

 private:
  void keep(Finding finding);

  ErrorCode code_ = ErrorCode::kOk;
  size_t count_ = 0;  // warnings included
  size_t errors_ = 0;
  std::vector<Finding> kept_;
};

}  // namespace a8w8::checkpoint
