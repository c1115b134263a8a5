#include "base/env.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "a8w8/status.h"
#include "base/str_cat.h"

namespace a8w8 {

int env_int(const char* name, int min, int max, int fallback) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return fallback;
  const std::string_view s(text);
  int value = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
  if (error != std::errc() || end != s.data() + s.size() || value < min || value > max) {
    throw Error(ErrorCode::kInvalidArgument,
                str_cat(name, " is \"", s, "\", but must be a whole number from ", min, " to ", max));
  }
  return value;
}

int verbose_level() {
  static const int level = env_int("A8W8_VERBOSE", 0, 2, 0);
  return level;
}

void log_line(const std::string& line) { std::fprintf(stderr, "a8w8: %s\n", line.c_str()); }

}  // namespace a8w8
