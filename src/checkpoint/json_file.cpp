#include "checkpoint/json_file.h"

#include <nlohmann/json.hpp>

#include "a8w8/status.h"
#include "base/str_cat.h"
#include "checkpoint/json_text.h"
#include "checkpoint/mapped_file.h"

namespace a8w8::checkpoint {
namespace {

constexpr int kMaxDepth = 32;  // objects of other programs in config.json are free

}  // namespace

nlohmann::json read_json_object(const std::string& path, int64_t max_bytes) {
  const MappedFile file(path);
  if (file.size() > max_bytes) {
    throw Error(ErrorCode::kCorrupt, str_cat(path, ": has ", file.size(), " bytes; allowed are ", max_bytes));
  }
  nlohmann::json json = parse_json(file.text(), path, kMaxDepth);
  if (!json.is_object()) throw Error(ErrorCode::kCorrupt, path + ": holds no JSON object");
  return json;
}

}  // namespace a8w8::checkpoint
