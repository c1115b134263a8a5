// Problem sizes: as they are typed, and the named suites of bench/suites.json.
//
//   parse_shape("1,4096,11008");        // {1, 4096, 11008}
//   suite_shapes("llm-decode");         // every m with every (n, k), m innermost
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace a8w8::cli {

struct Shape {
  int64_t m = 0, n = 0, k = 0;

  std::string str() const;  // "1x4096x11008"
  friend bool operator==(const Shape&, const Shape&) = default;
};

// "m,n,k" or "mxnxk". Throws Error(kInvalidArgument) for anything else.
Shape parse_shape(const std::string& text);

std::vector<std::string> suite_names();
// Throws Error(kInvalidArgument) naming the suites.
std::vector<Shape> suite_shapes(const std::string& name);

extern const char* const kSuitesJson;  // bench/suites.json

}  // namespace a8w8::cli
