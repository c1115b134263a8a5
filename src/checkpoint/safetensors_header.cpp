#include "checkpoint/safetensors_header.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include "a8w8/status.h"
#include "checkpoint/json_text.h"
#include "checkpoint/names.h"
#include "checkpoint/refused_types.h"

namespace a8w8::checkpoint {
namespace {

using nlohmann::json;

constexpr int kMaxHeaderDepth = 3;  // header, tensor, shape

struct DTypeName {
  DType dtype;
  const char* name;
};

constexpr std::array<DTypeName, kDTypeCount> kDTypeNames = {{{DType::kBool, "BOOL"},
                                                             {DType::kU8, "U8"},
                                                             {DType::kI8, "I8"},
                                                             {DType::kI16, "I16"},
                                                             {DType::kI32, "I32"},
                                                             {DType::kI64, "I64"},
                                                             {DType::kF16, "F16"},
                                                             {DType::kBF16, "BF16"},
                                                             {DType::kF32, "F32"},
                                                             {DType::kF64, "F64"}}};

std::optional<int64_t> as_size(const json& value) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > uint64_t{INT64_MAX}) return std::nullopt;
  return value.get<int64_t>();
}

// One tensor's entry; `where` is "<file>: tensor <name>".
class EntryParser {
 public:
  EntryParser(const json& value, std::string where) : value_(value), where_(std::move(where)) {}

  DType dtype() const {
    const json& name = field("dtype");
    if (!name.is_string()) corrupt("dtype is " + shown(name) + ", not a string");
    std::string known;
    for (const DTypeName& row : kDTypeNames) {
      if (name.get_ref<const std::string&>() == row.name) return row.dtype;
      known += (known.empty() ? "" : ", ") + std::string(row.name);
    }
    const std::string what = foreign_dtype(name.get_ref<const std::string&>());
    throw Error(ErrorCode::kUnsupported, where_ + ": dtype " + shown(name) + (what.empty() ? "" : " (" + what + ")") +
                                             " is not supported; supported are " + known);
  }

  Dims sizes() const {
    const json& shape = field("shape");
    if (!shape.is_array()) corrupt("shape is " + shown(shape) + ", not an array");
    if (shape.size() > static_cast<size_t>(kMaxRank)) {
      throw Error(ErrorCode::kUnsupported, where_ + ": shape has " + std::to_string(shape.size()) +
                                               " dimensions; supported are up to " + std::to_string(kMaxRank));
    }
    Dims sizes;
    for (const json& size : shape) {
      const std::optional<int64_t> number = as_size(size);
      if (!number)
        corrupt("shape " + shown(shape) + " holds " + shown(size) + "; sizes are integers from 0 to 2^63 - 1");
      sizes.push_back(*number);
    }
    return sizes;
  }

  std::pair<int64_t, int64_t> offsets(int64_t data_bytes) const {
    const json& offsets = field("data_offsets");
    const bool is_pair = offsets.is_array() && offsets.size() == 2;
    const std::optional<int64_t> begin = is_pair ? as_size(offsets[0]) : std::nullopt;
    const std::optional<int64_t> end = is_pair ? as_size(offsets[1]) : std::nullopt;
    if (!begin || !end) corrupt("data_offsets is " + shown(offsets) + ", not two integers from 0 to 2^63 - 1");
    if (*begin > *end) corrupt("data_offsets " + shown(offsets) + " end before they begin");
    if (*end > data_bytes) {
      corrupt("data_offsets " + shown(offsets) + " reach past the " + std::to_string(data_bytes) +
              " bytes of data in the file (is it cut short?)");
    }
    return {*begin, *end};
  }

  [[noreturn]] void corrupt(const std::string& what) const { throw Error(ErrorCode::kCorrupt, where_ + ": " + what); }

 private:
  const json& field(const char* name) const {
    if (!value_.is_object()) corrupt("its entry is " + shown(value_) + ", not an object");
    const auto it = value_.find(name);
    if (it == value_.end()) corrupt("its entry has no " + quote(name));
    return *it;
  }

  static std::string shown(const json& value) {
    return printable(value.dump(-1, ' ', true, json::error_handler_t::replace), 80);
  }

  const json& value_;
  std::string where_;
};

SafetensorsEntry parse_entry(const std::string& name, const json& value, int64_t data_bytes, const std::string& path) {
  if (name.empty()) throw Error(ErrorCode::kCorrupt, path + ": a tensor has an empty name");
  const EntryParser parser(value, path + ": tensor " + quote(name));
  SafetensorsEntry entry{.name = name, .dtype = parser.dtype(), .sizes = parser.sizes()};
  std::tie(entry.begin, entry.end) = parser.offsets(data_bytes);
  const int64_t bytes = checked_bytes(entry.sizes, entry.dtype);
  if (bytes < 0) parser.corrupt("the size of shape " + entry.sizes.str() + " does not fit into 63 bits");
  if (bytes != entry.end - entry.begin) {
    parser.corrupt("shape " + entry.sizes.str() + " of " + safetensors_dtype(entry.dtype) + " takes " +
                   std::to_string(bytes) + " bytes, but data_offsets span " + std::to_string(entry.end - entry.begin));
  }
  return entry;
}

std::vector<std::pair<std::string, std::string>> parse_metadata(const json& value, const std::string& path) {
  const std::string where = path + ": " + kSafetensorsMetadataKey;
  if (!value.is_object()) throw Error(ErrorCode::kCorrupt, where + " is not an object");
  std::vector<std::pair<std::string, std::string>> metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string())
      throw Error(ErrorCode::kCorrupt, where + ": the value of " + quote(key) + " is not a string");
    metadata.emplace_back(key, text.get<std::string>());
  }
  return metadata;
}

void check_coverage(const std::vector<SafetensorsEntry>& entries, int64_t data_bytes, const std::string& path) {
  int64_t covered = 0;
  const SafetensorsEntry* previous = nullptr;
  for (const SafetensorsEntry& entry : entries) {
    const std::string where = path + ": tensor " + quote(entry.name);
    if (entry.begin < covered) throw Error(ErrorCode::kCorrupt, where + " overlaps tensor " + quote(previous->name));
    if (entry.begin > covered) {
      throw Error(ErrorCode::kCorrupt, where + " begins at byte " + std::to_string(entry.begin) +
                                           ", but the one before ends at " + std::to_string(covered) +
                                           "; the format allows no gaps");
    }
    covered = entry.end;
    previous = &entry;
  }
  if (covered != data_bytes) {
    throw Error(ErrorCode::kCorrupt, path + ": the tensors end at byte " + std::to_string(covered) +
                                         " of the data, but the file holds " + std::to_string(data_bytes));
  }
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view text, int64_t data_bytes, const std::string& path) {
  if (text.empty() || text.front() != '{')
    throw Error(ErrorCode::kCorrupt, path + ": the header does not begin with '{'");
  const json root = parse_json(text, path, kMaxHeaderDepth);
  SafetensorsHeader header;
  header.entries.reserve(root.size());
  for (const auto& [name, value] : root.items()) {
    if (name == kSafetensorsMetadataKey) {
      header.metadata = parse_metadata(value, path);
    } else {
      header.entries.push_back(parse_entry(name, value, data_bytes, path));
    }
  }
  // Empty tensors share their first byte with a neighbour: by end as well, so that they come before it.
  std::sort(header.entries.begin(), header.entries.end(), [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  check_coverage(header.entries, data_bytes, path);
  return header;
}

const char* safetensors_dtype(DType dtype) {
  const auto is_it = [dtype](const DTypeName& row) { return row.dtype == dtype; };
  return std::find_if(kDTypeNames.begin(), kDTypeNames.end(), is_it)->name;
}

int64_t checked_bytes(const Dims& sizes, DType dtype) {
  int64_t bound = static_cast<int64_t>(dtype_size(dtype));
  bool is_empty = false;
  for (const int64_t size : sizes) {
    if (size < 0 || __builtin_mul_overflow(bound, std::max<int64_t>(size, 1), &bound)) return -1;
    is_empty |= size == 0;
  }
  return is_empty ? 0 : bound;
}

}  // namespace a8w8::checkpoint
