// JSON as the checkpoint files use it: read strictly, and strings written with their escapes.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace a8w8::checkpoint {

// No file of ours is longer; the safetensors format sets the same bound for its header.
inline constexpr int64_t kMaxJsonBytes = 100'000'000;

// A value takes far more memory parsed than as text, so their number is bounded, too: a safetensors header has about
// ten for a tensor, which allows for half a million tensors in a file.
inline constexpr int64_t kMaxJsonEvents = 6'000'000;

// Parses the whole text. Throws Error(kCorrupt), naming `path`, for anything that is not JSON in UTF-8, for a name that
// stands twice in one object (the readers of the world disagree on which one counts), for more than `max_depth` nested
// arrays and objects, and for more than kMaxJsonEvents names, values and brackets.
nlohmann::json parse_json(std::string_view text, const std::string& path, int max_depth);

// The name in double quotes, escaped as JSON does it, on one line and cut if very long: safe to put into any message.
std::string quote(std::string_view name);

// A JSON string literal. Throws Error(kInvalidArgument) if the text is not UTF-8.
std::string json_string(const std::string& text);

}  // namespace a8w8::checkpoint
