// Names that come from files or callers: how they are shown in messages, and which may become file names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace a8w8::checkpoint {

// Printable ASCII of at most `max_chars`: for text of unknown origin, such as a JSON parser's message.
std::string printable(std::string_view text, size_t max_chars = 200);

// True if the name stays inside its folder on every system: no separators, not "." or "..", not empty.
bool is_plain_file_name(std::string_view name);

// "; near it: \"a\", \"b\"", or nothing if no known name is similar.
std::string near_names(std::string_view name, const std::vector<std::string_view>& known);

}  // namespace a8w8::checkpoint
