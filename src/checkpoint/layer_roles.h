// What the tensors of one quantized layer must be, as rows of a table, and the check of a layer against it.
#pragma once

#include <span>
#include <string>

#include "checkpoint/findings.h"
#include "checkpoint/tensor_table.h"

namespace a8w8::checkpoint {

enum class Values { kAny, kPositive, kNotNegative, kZero, kInt8Range };

enum class Count {
  kRow,       // one number a row of the weight: (n,) or (n, 1)
  kRowOrOne,  // or one for all
  kOne,       // (), (1,) or (1, 1)
};

struct Role {
  const char* name;
  DTypeSet dtypes;
  bool required;
  Count count;
  Values values;
};

inline constexpr DTypeSet kFloats = DType::kF32 | DType::kBF16 | DType::kF16;
inline constexpr DTypeSet kNumbers = kFloats | DType::kI8 | DType::kI32 | DType::kI64;

// What computes a layer: the roles follow from it and from the format.
enum class LayerKind {
  kStatic,   // W8A8
  kDynamic,  // W8A8_DYNAMIC
  kMix,      // W8A8_MIX: both sides
  kInt4,     // W4A8_DYNAMIC: weights of int4, two in a byte or one
  kCompressedStatic,
  kCompressedDynamic,
};

struct LayerRecord {
  std::string name;
  LayerKind kind;
};

// <layer>.<role> for each role; n rows. `type` is what the messages call the layer.
void check_roles(const TensorTable& table, const std::string& layer, const std::string& type, int64_t n,
                 std::span<const Role> roles, Findings& findings);
// False, with a finding, unless the weight is a non-empty int8 matrix.
bool check_int8_matrix(const TensorTable& table, const CheckpointTensor& weight, const std::string& type,
                       Findings& findings);

}  // namespace a8w8::checkpoint
