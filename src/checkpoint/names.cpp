#include "checkpoint/names.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "checkpoint/json_text.h"

namespace a8w8::checkpoint {
namespace {

constexpr size_t kMaxCompared = 256;  // edit distance is quadratic; longer names are nobody's typing errors
constexpr size_t kMaxNear = 3;

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string printable(std::string_view text, size_t max_chars) {
  std::string result(text.substr(0, max_chars));
  for (char& c : result) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return text.size() > max_chars ? result + "..." : result;
}

bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

std::string near_names(std::string_view name, const std::vector<std::string_view>& known) {
  if (name.empty() || name.size() > kMaxCompared) return "";
  std::vector<std::pair<size_t, std::string_view>> near;  // distance, name
  for (const std::string_view candidate : known) {
    if (candidate.size() > kMaxCompared) continue;
    const bool is_longer = candidate.size() > name.size() + name.size() / 4;
    if (is_longer && !candidate.starts_with(name)) continue;  // spares long lists most of the work
    // A layer's name where a tensor's is due is the likeliest slip, so completions come first.
    const size_t distance = candidate.starts_with(name) ? 0 : edit_distance(name, candidate);
    if (distance <= name.size() / 4) near.emplace_back(distance, candidate);
  }
  std::sort(near.begin(), near.end());
  near.resize(std::min(near.size(), kMaxNear));
  std::string result;
  for (const auto& [distance, candidate] : near) result += (result.empty() ? "; near it: " : ", ") + quote(candidate);
  return result;
}

}  // namespace a8w8::checkpoint
