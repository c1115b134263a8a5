// How the library reports what it refuses.
//
//   try {
//     a8w8::quant_matmul(args, out, ctx);
//   } catch (const a8w8::Error& e) {
//     log(e.what());            // operand, what was given, what is allowed, which rule
//     if (e.code() == a8w8::ErrorCode::kIo) retry();
//   }
//
// Inside the library checks return a Status; the public entry points throw the Error made from it. Nothing aborts.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace a8w8 {

enum class ErrorCode {
  kOk = 0,
  kInvalidArgument,  // an operand, option or environment variable breaks a documented rule
  kUnsupported,      // legal elsewhere, but not offered by this product, build or machine
  kNotFound,         // a file, tensor or layer that does not exist
  kCorrupt,          // a file whose contents contradict its format
  kIo,               // the operating system refused to read or write
};

struct [[nodiscard]] Status {
  ErrorCode code = ErrorCode::kOk;
  std::string message;

  bool ok() const { return code == ErrorCode::kOk; }
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  explicit Error(const Status& status) : Error(status.code, status.message) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

inline void throw_if_error(const Status& status) {
  if (!status.ok()) throw Error(status);
}

}  // namespace a8w8
