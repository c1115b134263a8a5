// Environment variables, and the one line that the library may print: to stderr, and only if A8W8_VERBOSE asks.
#pragma once

#include <string>

namespace a8w8 {

// A whole number from `name`, or `fallback` where the variable is unset or empty. Throws Error(kInvalidArgument) naming
// the variable, its value and the bounds if it is anything else.
int env_int(const char* name, int min, int max, int fallback);

// A8W8_VERBOSE: 0 silent (default), 1 a line a call, 2 also why each kernel was passed over. Read once.
int verbose_level();
void log_line(const std::string& line);

}  // namespace a8w8
