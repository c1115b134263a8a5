#include "make/source_files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "a8w8/status.h"
#include "checkpoint/file_util.h"
#include "checkpoint/json_text.h"
#include "checkpoint/mapped_file.h"
#include "checkpoint/msmodelslim_format.h"
#include "checkpoint/output_files.h"

namespace a8w8::make {
namespace ck = checkpoint;
namespace fs = std::filesystem;
namespace {

constexpr int kMaxConfigDepth = 64;
constexpr int64_t kMaxConfigBytes = int64_t{16} << 20;
constexpr uintmax_t kMaxCompanionBytes = uintmax_t{256} << 20;

// transformers' Conv1D, which is a linear layer with weight (k, n). GPTBigCode and CTRL have the names but not the
// class.
constexpr std::array<std::string_view, 5> kTransposed = {"gpt2", "openai-gpt", "imagegpt", "decision_transformer",
                                                         "clvp"};

std::string transposed_part(const nlohmann::json& config) {
  if (!config.is_object()) return "";
  const auto type = config.find("model_type");
  if (type != config.end() && type->is_string()) {
    const auto& name = type->get_ref<const std::string&>();
    if (std::find(kTransposed.begin(), kTransposed.end(), name) != kTransposed.end()) return name;
  }
  for (const auto& [key, value] : config.items()) {
    if (const std::string name = transposed_part(value); !name.empty()) return name;
  }
  return "";
}

bool has_companion_name(const std::string& name) {
  static constexpr std::array<std::string_view, 8> kEndings = {".json",     ".txt",   ".model", ".jinja",
                                                               ".tiktoken", ".vocab", ".bpe",   ".py"};
  static constexpr std::array<std::string_view, 4> kStarts = {"LICENSE", "NOTICE", "USE_POLICY", "COPYING"};
  const bool by_start = std::any_of(kStarts.begin(), kStarts.end(), [&](auto s) { return name.starts_with(s); });
  const bool by_ending = std::any_of(kEndings.begin(), kEndings.end(), [&](auto s) { return name.ends_with(s); });
  return (by_start || by_ending) && !name.starts_with(".") && name != ck::kConfigFile &&
         !name.ends_with(".index.json") && !ck::is_description_file(name);
}

}  // namespace

std::string read_config(const std::string& folder) {
  const std::string path = folder + "/" + std::string(ck::kConfigFile);
  if (!fs::exists(path)) return "";
  const ck::MappedFile file(path);
  if (file.size() > kMaxConfigBytes) throw Error(ErrorCode::kCorrupt, path + ": is longer than 16 MB");
  return std::string(file.text());
}

std::string transposed_model_type(const std::string& config, const std::string& path) {
  return transposed_part(ck::parse_json(config, path, kMaxConfigDepth));
}

std::vector<std::string> companion_files(const std::string& folder) {
  std::vector<std::string> names = ck::folder_entries(folder);
  std::erase_if(names, [&folder](const std::string& name) {
    std::error_code error;
    const fs::path path = fs::path(folder) / name;
    return !has_companion_name(name) || !fs::is_regular_file(path, error) ||
           fs::file_size(path, error) > kMaxCompanionBytes;
  });
  return names;
}

}  // namespace a8w8::make
