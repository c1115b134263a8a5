#include "checkpoint/findings.h"

#include "base/str_cat.h"

namespace a8w8::checkpoint {

void Findings::add(const std::string& text, ErrorCode code) {
  if (code_ == ErrorCode::kOk || code == ErrorCode::kCorrupt) code_ = code;
  if (++count_ <= kMaxShown) shown_.push_back(text);
}

Status Findings::status(const std::string& where) const {
  if (count_ == 0) return {};
  if (count_ == 1) return {code_, where + ": " + shown_.front()};
  std::string message = str_cat(where, ": ", count_, " problems:");
  for (const std::string& text : shown_) message += "\n  - " + text;
  if (count_ > shown_.size()) message += str_cat("\n  and ", count_ - shown_.size(), " more");
  return {code_, message};
}

}  // namespace a8w8::checkpoint
