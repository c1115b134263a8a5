#include "checkpoint/findings.h"

#include <algorithm>
#include <utility>

#include "base/str_cat.h"
#include "checkpoint/json_text.h"

namespace a8w8 {

std::string Finding::text() const {
  std::string text = file.empty() ? "" : file + ": ";
  if (!tensor.empty()) text += "tensor " + checkpoint::quote(tensor) + " ";
  text += found;
  if (!expected.empty()) text += "; must be " + expected;
  if (!cause.empty()) text += "; likely cause: " + cause;
  return text;
}

namespace checkpoint {

namespace {

// Parts come from files, too: they are cut, and may not steer a terminal.
constexpr size_t kMaxPart = 600;

void tame(std::string& part) {
  if (part.size() > kMaxPart) part = part.substr(0, kMaxPart) + "...";
  std::replace_if(
      part.begin(), part.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
}

}  // namespace

void Findings::keep(Finding finding) {
  ++count_;
  if (kept_.size() == kMaxKept) return;
  for (std::string* part : {&finding.file, &finding.found, &finding.expected, &finding.cause}) tame(*part);
  if (finding.tensor.size() > kMaxPart) finding.tensor = finding.tensor.substr(0, kMaxPart) + "...";
  kept_.push_back(std::move(finding));
}

void Findings::add(Finding finding, ErrorCode code) {
  if (code_ == ErrorCode::kOk || code == ErrorCode::kCorrupt) code_ = code;
  ++errors_;
  finding.is_warning = false;
  keep(std::move(finding));
}

void Findings::warn(Finding finding) {
  finding.is_warning = true;
  keep(std::move(finding));
}

void Findings::add_error(const Error& error, const std::string& folder) {
  Finding finding;
  std::string text = error.what();
  if (text.starts_with(folder + "/")) {
    const size_t end = text.find(": ", folder.size());
    finding.file = text.substr(folder.size() + 1, end == text.npos ? end : end - folder.size() - 1);
    text = end == text.npos ? "cannot be read" : text.substr(end + 2);
  } else if (text.starts_with(folder + ": ")) {
    text = text.substr(folder.size() + 2);
  }
  finding.found = text;
  add(std::move(finding), error.code());
}

Status Findings::status(const std::string& folder) const {
  if (errors_ == 0) return {};
  std::string lines;
  size_t shown = 0;
  for (const Finding& finding : kept_) {
    if (finding.is_warning) continue;
    if (errors_ == 1) return {code_, folder + (finding.file.empty() ? ": " : "/") + finding.text()};
    if (++shown <= kMaxShown) lines += "\n  - " + finding.text();
  }
  std::string message = str_cat(folder, ": ", errors_, " problems:", lines);
  if (errors_ > kMaxShown) message += str_cat("\n  and ", errors_ - kMaxShown, " more");
  return {code_, message};
}

}  // namespace checkpoint
}  // namespace a8w8
