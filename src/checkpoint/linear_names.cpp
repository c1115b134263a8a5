#include "checkpoint/linear_names.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace a8w8::checkpoint {
namespace {

constexpr std::string_view kWeight = ".weight";
constexpr int64_t kMaxK = 65535;

using Parts = std::vector<std::string>;

// In lower case: some models write Embedding.
Parts parts_of(std::string_view layer) {
  Parts parts(1);
  for (const char c : layer) {
    if (c == '.') {
      parts.emplace_back();
    } else {
      parts.back() += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  return parts;
}

bool has(std::string_view text, std::string_view piece) { return text.find(piece) != text.npos; }

template <size_t kCount>
bool is_one_of(std::string_view text, const std::array<std::string_view, kCount>& names) {
  return std::find(names.begin(), names.end(), text) != names.end();
}

bool is_linear_word(std::string_view part) {
  static constexpr std::array<std::string_view, 5> kWords = {"proj", "mapping", "dense", "linear", "_out"};
  return std::any_of(kWords.begin(), kWords.end(), [part](std::string_view word) { return has(part, word); });
}

bool is_head(const Parts& parts) {
  const std::string& last = parts.back();
  if (std::any_of(parts.begin(), parts.end(), [](const std::string& part) { return part.starts_with("lm_head"); })) {
    return true;
  }
  const bool is_decoder = last == "decoder" && parts.size() > 1 && has(parts[parts.size() - 2], "prediction");
  return is_decoder || last == "embed_out" || last == "output_projection" || (last == "proj_out" && parts.size() == 1);
}

bool is_router(const Parts& parts) {
  const std::string& last = parts.back();
  return is_one_of(last, std::array<std::string_view, 3>{"gate", "shared_expert_gate", "wg"}) || has(last, "router") ||
         (parts.size() > 1 && has(parts[parts.size() - 2], "router"));
}

bool is_embedding(const Parts& parts) {
  const std::string& last = parts.back();
  if (is_one_of(last, std::array<std::string_view, 3>{"wte", "wpe", "shared"}) || last.ends_with("_attention_bias")) {
    return true;
  }
  if (has(last, "embed")) return !is_linear_word(last);
  return std::find(parts.begin(), parts.end(), "embeddings") != parts.end() && !is_linear_word(last);
}

}  // namespace

WeightKind weight_kind(std::string_view tensor_name, DType dtype, const Dims& sizes) {
  if (!tensor_name.ends_with(kWeight) || !is_floating(dtype) || sizes.rank() != 2) return WeightKind::kOther;
  const Parts parts = parts_of(tensor_name.substr(0, tensor_name.size() - kWeight.size()));
  if (is_head(parts)) return WeightKind::kHead;
  if (is_embedding(parts)) return WeightKind::kEmbedding;
  if (is_router(parts)) return WeightKind::kRouter;
  if (has(parts.back(), "norm") || has(parts.back(), "conv")) return WeightKind::kOther;
  const bool fits = sizes[0] > 0 && sizes[1] > 0 && sizes[1] <= kMaxK;
  return fits ? WeightKind::kLinear : WeightKind::kOther;
}

}  // namespace a8w8::checkpoint
