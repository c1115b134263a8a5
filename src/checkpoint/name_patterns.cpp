#include "checkpoint/name_patterns.h"

#include <algorithm>

#include "a8w8/status.h"
#include "checkpoint/json_text.h"

namespace a8w8::checkpoint {
namespace {

// std::regex recurses into parentheses, and by default backtracks without bound. Both are cut, so that no file can make
// a reader hang or crash; real patterns are far shorter.
constexpr size_t kMaxPattern = 512;
constexpr long kMaxParentheses = 32;
constexpr size_t kMaxName = 512;
constexpr auto kSyntax = std::regex::ECMAScript
#ifdef __GLIBCXX__
                         | std::regex_constants::__polynomial
#endif
    ;

}  // namespace

void NamePatterns::add(const std::string& entry) {
  if (!entry.starts_with("re:")) {
    names_.insert(entry);
    return;
  }
  const std::string pattern = entry.substr(3);
  const auto refuse = [&entry](const std::string& why) {
    throw Error(ErrorCode::kUnsupported, "the pattern " + quote(entry) + " " + why);
  };
  if (pattern.size() > kMaxPattern || std::count(pattern.begin(), pattern.end(), '(') > kMaxParentheses ||
      pattern.find('{') != pattern.npos) {
    refuse("is too long or too complex");
  }
  try {
    patterns_.emplace_back(pattern, kSyntax);
  } catch (const std::regex_error&) {
    refuse("is not a pattern that can be read here");
  }
}

NameMatch NamePatterns::match(const std::string& layer) const {
  if (names_.contains(layer)) return NameMatch::kExact;
  const auto matches = [&layer](const std::regex& pattern) {
    return std::regex_search(layer, pattern, std::regex_constants::match_continuous);
  };
  if (layer.size() <= kMaxName && std::any_of(patterns_.begin(), patterns_.end(), matches)) return NameMatch::kPattern;
  return names_.contains("Linear") ? NameMatch::kClass : NameMatch::kNone;
}

}  // namespace a8w8::checkpoint
