// The JSON files beside the weights.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace a8w8::checkpoint {

// Throws Error: kNotFound or kIo if it cannot be read; kCorrupt if it is too long, no JSON, or not one object.
nlohmann::json read_json_object(const std::string& path, int64_t max_bytes);

}  // namespace a8w8::checkpoint
