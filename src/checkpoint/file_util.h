// Small things that the readers and writers of files share.
#pragma once

#include <string>
#include <vector>

#include "a8w8/status.h"

namespace a8w8::checkpoint {

// Throws kNotFound if the path does not exist, and kIo otherwise.
[[noreturn]] void throw_read_error(const std::string& path, int error_number);
// Throws kIo: "<path>: cannot <action>: No space left on device".
[[noreturn]] void throw_write_error(const std::string& path, const std::string& action, int error_number);

// "." for a bare file name.
std::string parent_folder(const std::string& path);

// A hidden name beside `path`, ".<name>.tmp-<pid>-<n>", different at every call.
std::string temporary_sibling(const std::string& path);
std::string temporary_prefix(const std::string& path);  // ".<name>.tmp-"

// Makes creations, renames and removals in the folder durable. Throws kIo.
void sync_folder(const std::string& folder);

// Names of all entries of the folder, sorted. Throws as throw_read_error does.
std::vector<std::string> folder_entries(const std::string& folder);

}  // namespace a8w8::checkpoint
