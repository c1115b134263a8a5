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
constexpr int kMaxRepeats = 64;  // all counts such as {1,3} multiplied: each copies what it repeats
constexpr size_t kMaxName = 512;
constexpr auto kSyntax = std::regex::ECMAScript
#ifdef __GLIBCXX__
                         | std::regex_constants::__polynomial
#endif
    ;

// What the counts in braces multiply a pattern by; more than kMaxRepeats for counts that are none of Python's.
int repeats(const std::string& pattern) {
  int product = 1;
  for (size_t at = pattern.find('{'); at != pattern.npos; at = pattern.find('{', at + 1)) {
    int most = 0;
    for (size_t i = at + 1; i < pattern.size() && pattern[i] != '}'; ++i) {
      if (pattern[i] == ',') {
        most = 0;
      } else if (pattern[i] < '0' || pattern[i] > '9' || (most = most * 10 + pattern[i] - '0') > kMaxRepeats) {
        return kMaxRepeats + 1;
      }
    }
    product *= most > 0 ? most : kMaxRepeats + 1;
    if (product > kMaxRepeats) return product;
  }
  return product;
}

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
      repeats(pattern) > kMaxRepeats) {
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
