// The message of the a8w8::Error that a call throws.
#pragma once

#include <functional>
#include <string>

#include "a8w8/status.h"

namespace a8w8::testing {

// "accepted" if it throws none.
inline std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

}  // namespace a8w8::testing
