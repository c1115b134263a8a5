#include "checkpoint/json_text.h"

#include <nlohmann/json.hpp>
#include <unordered_set>
#include <vector>

#include "a8w8/status.h"
#include "checkpoint/names.h"

namespace a8w8::checkpoint {
namespace {

using nlohmann::json;

constexpr size_t kMaxShown = 160;  // bytes of a name in a message

// Follows the parser event by event, so that hostile text is refused before it costs memory or stack. A pass of its
// own: parse() with a callback looks at all members of an object whenever one of them ends, which takes quadratic time.
class StructureCheck final : public nlohmann::json_sax<json> {
 public:
  StructureCheck(const std::string& path, int max_depth) : path_(path), max_depth_(max_depth) {}

  bool null() override { return count(); }
  bool boolean(bool) override { return count(); }
  bool number_integer(number_integer_t) override { return count(); }
  bool number_unsigned(number_unsigned_t) override { return count(); }
  bool number_float(number_float_t, const string_t&) override { return count(); }
  bool string(string_t&) override { return count(); }
  bool binary(binary_t&) override { return count(); }
  bool start_object(size_t) override { return open(); }
  bool start_array(size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& key) override {
    if (!keys_.back().insert(key).second) fail("has the name " + quote(key) + " twice in one object");
    return count();
  }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Error(ErrorCode::kCorrupt, path_ + ": JSON " + what); }

  bool count() {
    if (++events_ > kMaxJsonEvents) fail("has more than " + std::to_string(kMaxJsonEvents) + " names and values");
    return true;
  }
  bool open() {
    if (keys_.size() >= static_cast<size_t>(max_depth_))
      fail("is nested deeper than the " + std::to_string(max_depth_) + " levels of the format");
    keys_.emplace_back();
    return count();
  }
  bool close() {
    keys_.pop_back();
    return count();
  }

  const std::string& path_;
  int max_depth_;
  int64_t events_ = 0;
  std::vector<std::unordered_set<std::string>> keys_;  // of each open object; empty sets for arrays
};

std::string without_library_prefix(std::string_view what) {  // "[json.exception.parse_error.101] parse error at ..."
  const size_t end = what.find("] ");
  return printable(what.starts_with("[json.") && end != what.npos ? what.substr(end + 2) : what);
}

}  // namespace

json parse_json(std::string_view text, const std::string& path, int max_depth) {
  // The parser takes a NUL for the end of the text and would not see what stands behind it.
  if (const size_t nul = text.find('\0'); nul != text.npos) {
    throw Error(ErrorCode::kCorrupt, path + ": JSON has a NUL character at byte " + std::to_string(nul));
  }
  StructureCheck check(path, max_depth);
  json::sax_parse(text.begin(), text.end(), &check);
  try {
    return json::parse(text.begin(), text.end());
  } catch (const json::exception& e) {
    throw Error(ErrorCode::kCorrupt, path + ": not valid JSON: " + without_library_prefix(e.what()));
  }
}

std::string quote(std::string_view name) {
  const bool cut = name.size() > kMaxShown;
  // A cut through a multi-byte character is mended by the replacing error handler.
  const json shown(std::string(name.substr(0, kMaxShown)) + (cut ? "..." : ""));
  return shown.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string json_string(const std::string& text) {
  try {
    return json(text).dump();
  } catch (const json::exception&) {
    throw Error(ErrorCode::kInvalidArgument, "the name or text " + quote(text) + " is not UTF-8, as JSON demands");
  }
}

}  // namespace a8w8::checkpoint
