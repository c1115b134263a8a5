// The files beside the weights of a model that is made into another.
#pragma once

#include <string>
#include <vector>

namespace a8w8::make {

// Contents of config.json, or "" if there is none. Throws Error as MappedFile does, and kCorrupt if it is no JSON
// object or too long.
std::string read_config(const std::string& folder);

// "gpt2" if the model, or a part of it, is of a type whose linear layers store their weights transposed, (k, n); or "".
std::string transposed_model_type(const std::string& config, const std::string& path);

// Files of the folder that go with the model whatever its weights are: tokenizer, generation and processor settings,
// vocabularies, templates, model code, licenses. Not config.json, weights, indices, descriptions, model cards and
// anything that is hidden, a folder, or longer than 256 MB.
std::vector<std::string> companion_files(const std::string& folder);

}  // namespace a8w8::make
