// Registration beside another library that may offer the same ops: torch_npu itself. What it has defined or implemented
// is left alone, and only what is missing is added.
#pragma once

#include <torch/library.h>

#include <string>
#include <utility>

namespace a8w8::torch_adapter {

// "npu_format_cast.Tensor(Tensor self, ..." -> the name up to the parenthesis; a name without overload passes as it is.
inline c10::OperatorName npu_name(const std::string& schema_or_name) {
  const std::string name = schema_or_name.substr(0, schema_or_name.find('('));
  const size_t dot = name.find('.');
  return {"npu::" + name.substr(0, dot), dot == std::string::npos ? "" : name.substr(dot + 1)};
}

inline void define_once(torch::Library& m, const char* schema) {
  if (c10::Dispatcher::singleton().findSchema(npu_name(schema))) return;
  m.def(schema, {at::Tag::pt2_compliant_tag});
}

template <class Kernel>
void implement_once(torch::Library& m, c10::DispatchKey key, const char* name, Kernel&& kernel) {
  const auto op = c10::Dispatcher::singleton().findSchema(npu_name(name));
  if (op && op->hasKernelForDispatchKey(key)) return;
  m.impl(name, std::forward<Kernel>(kernel));
}

}  // namespace a8w8::torch_adapter
