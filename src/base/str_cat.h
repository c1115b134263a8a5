// str_cat("k is ", k, ", but ...") for messages.
#pragma once

#include <sstream>
#include <string>

namespace a8w8 {

template <class... Parts>
std::string str_cat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

}  // namespace a8w8
