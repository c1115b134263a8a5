// One context for each instruction set that this machine has and each of some numbers of threads.
#pragma once

#include <vector>

#include "a8w8/context.h"
#include "a8w8/isa.h"

namespace a8w8::testing {

inline std::vector<ExecutionContext> all_contexts() {
  std::vector<ExecutionContext> contexts;
  for (Isa isa : list(usable_isas())) {
    for (int threads : {1, 2, 3, 7}) {
      contexts.emplace_back(threads);
      contexts.back().set_max_isa(isa);
    }
  }
  return contexts;
}

}  // namespace a8w8::testing
