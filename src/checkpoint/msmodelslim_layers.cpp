#include "checkpoint/msmodelslim_layers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <span>
#include <unordered_map>

#include "a8w8/half.h"
#include "base/str_cat.h"
#include "checkpoint/json_text.h"
#include "checkpoint/msmodelslim_format.h"

namespace a8w8::checkpoint {
namespace {

using TensorMap = std::unordered_map<std::string_view, const CheckpointTensor*>;

enum class Values { kAny, kPositive, kNotNegative, kZero, kInt8Range };

struct Role {
  const char* name;
  DTypeSet dtypes;
  bool required;
  bool per_row;  // n numbers, else one
  Values values;
};

constexpr DTypeSet kFloats = DType::kF32 | DType::kBF16 | DType::kF16;
constexpr DTypeSet kNumbers = kFloats | DType::kI8 | DType::kI32 | DType::kI64;

// weight_scale may be 0: that is the scale of a row of zeros.
constexpr Role kStaticRoles[] = {
    {"deq_scale", DType::kF32 | DType::kI64, true, true, Values::kPositive},
    {"quant_bias", DType::kI32, true, true, Values::kAny},
    {"input_scale", kFloats, true, false, Values::kPositive},
    {"input_offset", kNumbers, true, false, Values::kInt8Range},
    {"weight_scale", kFloats, false, true, Values::kNotNegative},
    {"weight_offset", kNumbers, false, true, Values::kZero},
    {"bias", kFloats, false, true, Values::kAny},
};
constexpr Role kDynamicRoles[] = {
    {"weight_scale", kFloats, true, true, Values::kNotNegative},
    {"weight_offset", kNumbers, false, true, Values::kZero},
    {"bias", kFloats, false, true, Values::kAny},
};

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

// Element i of a view whose dimensions are all 1 but, at most, the first.
double element(const ConstTensorView& view, int64_t i) {
  const int64_t offset = view.rank() == 0 ? 0 : i * view.strides[0];
  const std::byte* from =
      static_cast<const std::byte*>(view.data) + offset * static_cast<int64_t>(dtype_size(view.dtype));
  switch (view.dtype) {
    case DType::kI8:
      return load<int8_t>(from);
    case DType::kI32:
      return load<int32_t>(from);
    case DType::kI64:
      return static_cast<double>(load<int64_t>(from));
    case DType::kF16:
      return half_to_float(load<uint16_t>(from));
    case DType::kBF16:
      return bfloat16_to_float(load<uint16_t>(from));
    default:
      return load<float>(from);
  }
}

// A deq_scale of int64 holds a float32 in its low 32 bits; the upper ones are zero, copies of its sign, or flags of the
// Ascend's packed form, and do not matter.
double packed_scale(const ConstTensorView& view, int64_t i) {
  const int64_t offset = view.rank() == 0 ? 0 : i * view.strides[0];
  const uint32_t bits = static_cast<uint32_t>(load<int64_t>(static_cast<const std::byte*>(view.data) + offset * 8));
  return load<float>(reinterpret_cast<const std::byte*>(&bits));
}

bool is_legal(Values rule, double x) {
  switch (rule) {
    case Values::kPositive:
      return std::isfinite(x) && x > 0;
    case Values::kNotNegative:
      return std::isfinite(x) && x >= 0;
    case Values::kZero:
      return x == 0;
    case Values::kInt8Range:
      return x >= -128 && x <= 127 && x == std::rint(x);
    case Values::kAny:
      break;
  }
  return true;
}

const char* describe(Values rule) {
  switch (rule) {
    case Values::kPositive:
      return "finite and greater than 0";
    case Values::kNotNegative:
      return "finite and not negative";
    case Values::kZero:
      return "0, as weights are quantized symmetrically";
    case Values::kInt8Range:
      return "an integer from -128 to 127";
    case Values::kAny:
      break;
  }
  return "anything";
}

std::string dtype_names(DTypeSet set) {
  std::string names;
  for (int i = 0; i < kDTypeCount; ++i) {
    const DType dtype = static_cast<DType>(i);
    if (set.contains(dtype)) names += (names.empty() ? "" : " or ") + std::string(dtype_name(dtype));
  }
  return names;
}

// One tensor against its row of the table. `count` is n or 1.
void check_role(const CheckpointTensor& tensor, const Role& role, int64_t count, Findings& findings) {
  const ConstTensorView& view = tensor.view;
  const std::string where = "tensor " + quote(tensor.name);
  if (!role.dtypes.contains(view.dtype)) {
    return findings.add(str_cat(where, " is ", dtype_name(view.dtype), ", not ", dtype_names(role.dtypes)));
  }
  const bool shape_fits = view.numel() == count && view.rank() <= 2 && (view.rank() < 2 || view.sizes[1] == 1);
  if (!shape_fits) {
    const char* per_group = role.per_row && view.rank() == 2 ? " (scales of groups are not supported)" : "";
    return findings.add(
        str_cat(where, " has shape ", view.sizes.str(), ", not (", count, ",) or (", count, ", 1)", per_group));
  }
  if (role.values == Values::kAny) return;
  const bool packed = role.values == Values::kPositive && view.dtype == DType::kI64;
  for (int64_t i = 0; i < count; ++i) {
    const double x = packed ? packed_scale(view, i) : element(view, i);
    if (!is_legal(role.values, x)) {
      return findings.add(str_cat(where, " has ", x, " at index ", i, "; it must be ", describe(role.values)));
    }
  }
}

void check_layer(const CheckpointTensor& weight, const TensorMap& by_name, Findings& findings) {
  const std::string where = "tensor " + quote(weight.name);
  if (weight.view.dtype != DType::kI8) {
    return findings.add(
        str_cat(where, " is ", dtype_name(weight.view.dtype), ", but a ", weight.quant_type, " weight is int8"));
  }
  if (weight.view.rank() != 2 || weight.view.numel() == 0) {
    return findings.add(str_cat(where, " has shape ", weight.view.sizes.str(), ", but a weight is a non-empty (n, k)"));
  }
  const std::string layer(layer_of_weight(weight.name));
  const bool is_static = weight.quant_type == kStaticType;
  for (const Role& role : is_static ? std::span<const Role>(kStaticRoles) : std::span<const Role>(kDynamicRoles)) {
    const std::string name = layer + "." + role.name;
    if (const auto it = by_name.find(name); it != by_name.end()) {
      check_role(*it->second, role, role.per_row ? weight.view.sizes[0] : 1, findings);
    } else if (role.required) {
      findings.add(str_cat("tensor ", quote(name), " is missing; ", weight.quant_type, " layers need it"));
    }
  }
}

// Rotations and scalings of the activations at run time. Without them a model's numbers would be silently wrong.
bool transforms_activations(const CheckpointTensor& tensor) {
  static constexpr std::array<std::string_view, 7> kSuffixes = {
      "heads_rotation", "kronecker_rotation_m", "kronecker_rotation_n", "left_trans",
      "right_trans",    "clip_ratio",           "div.mul_scale"};
  const std::string_view name = tensor.name;
  const auto matches = [name](std::string_view suffix) {
    return name == suffix || (name.ends_with(suffix) && name[name.size() - suffix.size() - 1] == '.');
  };
  // Under another type they belong to layers that are kept as they are, not run.
  const bool concerns_us =
      tensor.quant_type == kFloatType || tensor.quant_type == kStaticType || tensor.quant_type == kDynamicType;
  return concerns_us && std::any_of(kSuffixes.begin(), kSuffixes.end(), matches);
}

}  // namespace

void check_quantized_layers(const std::vector<CheckpointTensor>& tensors, Findings& findings) {
  TensorMap by_name;
  for (const CheckpointTensor& tensor : tensors) by_name.emplace(tensor.name, &tensor);
  bool any_quantized = false;
  for (const CheckpointTensor& tensor : tensors) {
    if (is_quantized_weight(tensor)) {
      any_quantized = true;
      check_layer(tensor, by_name, findings);
    } else if (tensor.view.dtype == DType::kI8 && tensor.quant_type == kFloatType &&
               !layer_of_weight(tensor.name).empty()) {
      findings.add("tensor " + quote(tensor.name) + " is int8, but the description calls it FLOAT");
    }
  }
  for (const CheckpointTensor& tensor : tensors) {
    if (any_quantized && transforms_activations(tensor)) {
      findings.add("tensor " + quote(tensor.name) + " transforms activations at run time, which is not supported",
                   ErrorCode::kUnsupported);
    }
  }
}

}  // namespace a8w8::checkpoint
