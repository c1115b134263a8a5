// Lists of layers as compressed-tensors writes them: exact names, "re:" and a pattern, or the name of a class.
#pragma once

#include <regex>
#include <string>
#include <unordered_set>
#include <vector>

namespace a8w8::checkpoint {

enum class NameMatch { kNone, kClass, kPattern, kExact };  // the better one counts

class NamePatterns {
 public:
  // Throws Error(kUnsupported) for a pattern that is too long or is none: the text comes from a file.
  void add(const std::string& entry);

  // Every layer is of class Linear. Patterns hold from the start of the name, but need not reach its end.
  NameMatch match(const std::string& layer) const;
  const std::unordered_set<std::string>& names() const { return names_; }  // exact ones, and classes

 private:
  std::unordered_set<std::string> names_;
  std::vector<std::regex> patterns_;
};

}  // namespace a8w8::checkpoint
