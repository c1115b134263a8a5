#include "cli/shapes.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "a8w8/status.h"

namespace a8w8::cli {
namespace {

constexpr int64_t kMaxSize = int64_t{1} << 24;

const nlohmann::json& suites() {
  static const nlohmann::json parsed = nlohmann::json::parse(kSuitesJson).at("suites");
  return parsed;
}

}  // namespace

std::string Shape::str() const { return std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k); }

Shape parse_shape(const std::string& text) {
  int64_t sizes[3] = {};
  const char *at = text.data(), *const end = text.data() + text.size();
  bool right = true;
  for (int i = 0; i < 3 && right; ++i) {
    if (i > 0) right = at != end && (*at == ',' || *at == 'x') && ++at != end;
    const auto [stop, error] = std::from_chars(at, end, sizes[i]);
    right = right && error == std::errc() && sizes[i] >= 1 && sizes[i] <= kMaxSize;
    at = stop;
  }
  if (!right || at != end) {
    throw Error(ErrorCode::kInvalidArgument,
                "shape \"" + text + "\" must be m,n,k: three numbers from 1 to " + std::to_string(kMaxSize));
  }
  return {sizes[0], sizes[1], sizes[2]};
}

std::vector<std::string> suite_names() {
  std::vector<std::string> names;
  for (const auto& [name, suite] : suites().items()) names.push_back(name);
  return names;
}

std::vector<Shape> suite_shapes(const std::string& name) {
  const auto found = suites().find(name);
  if (found == suites().end()) {
    std::string known;
    for (const std::string& other : suite_names()) known += (known.empty() ? "" : ", ") + other;
    throw Error(ErrorCode::kInvalidArgument, "suite \"" + name + "\" is unknown; known are " + known);
  }
  std::vector<Shape> shapes;
  for (const auto& nk : found->at("nk")) {
    for (const auto& m : found->at("m")) shapes.push_back({m.get<int64_t>(), nk.at(0), nk.at(1)});
  }
  return shapes;
}

}  // namespace a8w8::cli
