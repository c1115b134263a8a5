#include "checkpoint/compressed_tensors_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "a8w8/status.h"
#include "base/str_cat.h"
#include "checkpoint/json_text.h"
#include "checkpoint/model_config.h"
#include "checkpoint/names.h"
#include "checkpoint/refused_types.h"

namespace a8w8::checkpoint {
namespace {

using Json = nlohmann::json;

std::string shown(const Json& json) { return printable(json.dump(-1, ' ', true, Json::error_handler_t::replace), 80); }

// Absent, null and empty mean the same in these files.
const Json& field(const Json& object, const char* key) {
  static const Json kNull;
  const auto it = object.is_object() ? object.find(key) : object.end();
  return it == object.end() ? kNull : *it;
}

bool is_empty(const Json& json) { return json.is_null() || json.empty(); }

std::string text(const Json& object, const char* key, const char* otherwise) {
  const Json& value = field(object, key);
  if (value.is_null()) return otherwise;
  return value.is_string() ? value.get<std::string>() : shown(value);
}

bool flag(const Json& object, const char* key, bool otherwise) {
  const Json& value = field(object, key);
  return value.is_boolean() ? value.get<bool>() : otherwise;
}

// What is wrong with one group goes into findings under its name.
class GroupParser {
 public:
  GroupParser(const std::string& name, const Json& json, std::string format, Findings& findings)
      : json_(json), format_(std::move(format)), findings_(findings) {
    group_.name = name;
  }

  std::optional<ConfigGroup> parse() {
    if (!json_.is_object()) return refuse("is " + shown(json_), "an object", "a damaged config.json");
    const std::string format = text(json_, "format", format_.c_str());
    if (format != "int-quantized" && format != "naive-quantized") {
      const Refusal refusal = refused_format(format);
      return refuse("has format " + quote(format) + ": " + refusal.what + "; this is not supported",
                    "int-quantized or naive-quantized", "a model made for another runtime; needed: " + refusal.needed);
    }
    if (!is_empty(field(json_, "output_activations"))) {
      return refuse("quantizes output activations; this is not supported", "without output_activations",
                    "a recipe that names more than weights and inputs");
    }
    if (!parse_targets()) return std::nullopt;
    bits_ = parse_weights();
    if (bits_ == 0 || !parse_inputs()) return std::nullopt;
    return group_;
  }

 private:
  std::nullopt_t refuse(const std::string& found, const std::string& expected, const std::string& cause) {
    findings_.add({.file = kConfigFile,
                   .found = "config group " + quote(group_.name) + " " + found,
                   .expected = expected,
                   .cause = cause},
                  ErrorCode::kUnsupported);
    return std::nullopt;
  }

  bool parse_targets() try {
    const Json& targets = field(json_, "targets");
    if (!targets.is_array() || targets.empty()) {
      refuse("has targets " + shown(targets), "with a list of layers", "a damaged config.json");
      return false;
    }
    for (const Json& target : targets)
      group_.targets.add(target.is_string() ? target.get<std::string>() : shown(target));
    return true;
  } catch (const Error& error) {
    refuse(std::string("cannot be read: ") + error.what(), "with shorter, plain patterns", "");
    return false;
  }

  // What both sides have in common: integers of a known width. 0 if refused.
  int bits_of(const Json& args, const std::string& side) {
    const std::string type = text(args, "type", "int");
    const Json& bits = field(args, "num_bits");
    if (type != "int") {
      const Refusal refusal = refused_format("float-quantized");
      refuse(str_cat("has ", side, " of type ", quote(type), " with ", shown(bits), " bits: ", refusal.what,
                     "; this is not supported"),
             "of type \"int\"", "a model made for other hardware; needed: " + refusal.needed);
      return 0;
    }
    return bits.is_number_integer() ? static_cast<int>(std::clamp<int64_t>(bits.get<int64_t>(), -1, 1000)) : -1;
  }

  int parse_weights() {
    const Json& weights = field(json_, "weights");
    const std::string strategy = text(weights, "strategy", "tensor");
    const int bits = bits_of(weights, "weights");
    if (bits == 0) return 0;
    const auto refused = [&](const std::string& found, const std::string& expected) {
      refuse("has weights " + found + "; this is not supported", expected,
             "another recipe; needed: the float model compressed anew, int8 with one scale a row");
      return 0;
    };
    if (bits != 8 && bits != 4) return refused("of " + shown(field(weights, "num_bits")) + " bits", "of 8 or 4 bits");
    if (strategy != "channel" && strategy != "tensor") {
      return refused(str_cat("with strategy ", quote(strategy), ", group_size ", shown(field(weights, "group_size")),
                             " (scales of groups or blocks)"),
                     "of strategy \"channel\" or \"tensor\"");
    }
    if (!flag(weights, "symmetric", true)) return refused("that are asymmetric", "symmetric");
    if (!is_empty(field(weights, "actorder")) && field(weights, "actorder") != "weight" &&
        field(weights, "actorder") != "static") {
      return refused("in activation order (actorder " + shown(field(weights, "actorder")) + ")", "in their own order");
    }
    return bits;
  }

  bool parse_inputs() {
    const Json& inputs = field(json_, "input_activations");
    const std::string weight_type = bits_ == 8 ? "int8" : "int4";
    const std::string scheme =
        str_cat("is W", bits_, "A16 (", weight_type, " weights for float activations, weight-only)");
    if (is_empty(inputs)) return refuse_inputs(scheme);
    const int bits = bits_of(inputs, "input_activations");
    if (bits == 0) return false;
    if (bits != 8) return refuse_inputs("quantizes activations to " + shown(field(inputs, "num_bits")) + " bits");
    const Json& dynamic = field(inputs, "dynamic");
    const std::string strategy = text(inputs, "strategy", dynamic == true ? "token" : "tensor");
    const bool symmetric = flag(inputs, "symmetric", true);
    if (dynamic == true && strategy == "token" && symmetric) {
      group_.kind = LayerKind::kCompressedDynamic;
      group_.quant_type = weight_type + " dynamic";
      return true;
    }
    if ((dynamic == false || dynamic.is_null()) && strategy == "tensor") {
      group_.kind = LayerKind::kCompressedStatic;
      group_.has_zero_point = !symmetric;
      group_.quant_type = weight_type + (symmetric ? " static" : " static asymmetric");
      return true;
    }
    return refuse_inputs(str_cat("quantizes activations ", dynamic == true ? "dynamically" : "statically",
                                 symmetric ? "" : ", asymmetrically", ", with strategy ", quote(strategy)));
  }

  bool refuse_inputs(const std::string& found) {
    refuse(found + "; this is not supported", "dynamic per token and symmetric, or static per tensor, both with 8 bits",
           "a recipe for another runtime; needed: the float model compressed anew as W8A8");
    return false;
  }

  const Json& json_;
  std::string format_;
  Findings& findings_;
  ConfigGroup group_;
  int bits_ = 0;
};

// Parts of the config that would change the numbers.
bool refuse_parts(const Json& config, Findings& findings) {
  bool fine = true;
  const auto refuse = [&](const std::string& found, const std::string& needed) {
    findings.add({.file = kConfigFile,
                  .found = "quantization_config has " + found + "; this is not supported",
                  .expected = "without it",
                  .cause = "a recipe for another runtime; needed: " + needed},
                 ErrorCode::kUnsupported);
    fine = false;
  };
  const Json& transforms = field(config, "transform_config");
  if (!is_empty(transforms) && !(transforms.is_object() && is_empty(field(transforms, "config_groups")))) {
    refuse("a transform_config (rotations of weights and activations, such as QuIP's or SpinQuant's)",
           "the float model compressed anew without transforms");
  }
  const std::string sparsity = text(field(config, "sparsity_config"), "format", "dense");
  if (sparsity != "dense") refuse("a sparsity_config of format " + quote(sparsity), "the model saved dense");
  return fine;
}

}  // namespace

std::optional<CompressedConfig> parse_compressed_config(const Json& config, Findings& findings) {
  CompressedConfig result;
  bool fine = refuse_parts(config, findings);
  const auto refuse = [&](const std::string& found, const std::string& expected) {
    findings.add({.file = kConfigFile,
                  .found = "quantization_config " + found,
                  .expected = expected,
                  .cause = "a damaged config.json, or one of another program"});
    fine = false;
  };
  result.quantizes_cache = !is_empty(field(config, "kv_cache_scheme"));
  const Json& ignore = field(config, "ignore");
  if (!ignore.is_null() && !ignore.is_array()) refuse("has ignore " + shown(ignore), "with a list of layers");
  try {
    for (const Json& entry : ignore.is_array() ? ignore : Json::array()) {
      result.ignore.add(entry.is_string() ? entry.get<std::string>() : shown(entry));
    }
  } catch (const Error& error) {
    refuse(std::string("has an ignore that cannot be read: ") + error.what(), "with shorter, plain patterns");
  }
  const Json& groups = field(config, "config_groups");
  if (!groups.is_object() || groups.empty()) {
    refuse("has config_groups " + shown(groups), "with an object of at least one group");
    return std::nullopt;
  }
  const std::string format = text(config, "format", "int-quantized");
  for (const auto& [name, group] : groups.items()) {
    if (auto parsed = GroupParser(name, group, format, findings).parse()) {
      result.groups.push_back(std::move(*parsed));
    } else {
      fine = false;
    }
  }
  if (!fine) return std::nullopt;
  return result;
}

}  // namespace a8w8::checkpoint
