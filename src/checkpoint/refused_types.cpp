#include "checkpoint/refused_types.h"

#include <algorithm>
#include <span>

namespace a8w8::checkpoint {
namespace {

struct Row {
  std::string_view part;  // of the name
  const char* what;
  const char* needed;
};

constexpr const char* kAnew = "the float model, quantized anew as W8A8 or W8A8_DYNAMIC";
constexpr const char* kSparse = "an Ascend machine with CANN, or the float model quantized anew as W8A8";
constexpr const char* kFp8 = "a runtime with 8-bit float arithmetic, or the float model quantized anew to int8";

// The first row whose part is in the name holds: special cases stand before general ones.
constexpr Row kTypes[] = {
    {"FLATQUANT", "weights for activations that FlatQuant transforms at run time (left_trans, right_trans, clip_ratio)",
     "a runtime that applies those transforms, or the float model quantized anew without FlatQuant"},
    {"_SVD", "weights with a low-rank float branch beside them",
     "a runtime that adds the branch, or the float model quantized anew without it"},
    {"MXFP", "microscaling floats, a shared exponent for each 32 values (mx)", kFp8},
    {"FP8", "8-bit floats (fp8)", kFp8},
    {"W8A8SC", "sparse weights, compressed to a stream of bytes (weight, index, info) that only CANN can expand",
     kSparse},
    {"W8A8S", "sparse int8 weights of Ascend's weight compression", kSparse},
    {"W16A16S", "sparse float weights of Ascend's weight compression", kSparse},
    {"TIMESTEP", "static scales for each timestep of a diffusion model",
     "a runtime that switches scales with the timestep, or the float model quantized anew as W8A8_DYNAMIC"},
    {"W8A16", "int8 weights for float activations (weight-only)", kAnew},
    {"W4A16", "int4 weights for float activations (weight-only)", kAnew},
    {"W4A4", "int4 weights for int4 activations",
     "a runtime that quantizes activations to int4, or the float model quantized anew as W4A8_DYNAMIC or W8A8"},
    {"NF4", "4-bit normal floats (weight-only)", kAnew},
};

constexpr Row kDTypes[] = {
    {"F8_E8M0", "shared exponents of a microscaling (mx) checkpoint", ""},
    {"F8", "8-bit floats of an fp8 checkpoint", ""},
    {"F4", "4-bit floats of an mxfp4 or nvfp4 checkpoint", ""},
    {"F6", "6-bit floats of an mxfp6 checkpoint", ""},
    {"C64", "complex numbers", ""},
    {"U16", "unsigned 16-bit integers", ""},
    {"U32", "unsigned 32-bit integers, as packed weights of other quantizers are", ""},
    {"U64", "unsigned 64-bit integers", ""},
};

constexpr Row kFormats[] = {
    {"mxfp", "microscaling floats (mx)", kFp8},
    {"nvfp4", "4-bit floats (nvfp4)", kFp8},
    {"float-quantized", "8-bit floats (fp8)", kFp8},
    {"pack-quantized", "int4 or int8 weights packed into int32 words (weight_packed), for weight-only kernels",
     "the float model compressed anew as int-quantized with 8-bit weights and activations"},
    {"marlin", "sparse int4 weights in the layout of the Marlin GPU kernel",
     "the float model compressed anew as int-quantized"},
    {"sparse", "sparse weights as bitmasks", "the model saved dense, or compressed anew without sparsity"},
    {"dense", "float weights that were only calibrated, not compressed", "the model saved compressed (int-quantized)"},
};

constexpr Row kMethods[] = {
    {"fp8", "8-bit floats (fp8)", kFp8},
    {"mxfp4", "microscaling 4-bit floats", kFp8},
    {"gptq", "int4 or int8 weights for float activations (GPTQ, weight-only)", kAnew},
    {"awq", "int4 weights for float activations (AWQ, weight-only)", kAnew},
    {"bitsandbytes", "weights in the private layouts of bitsandbytes", kAnew},
    {"torchao", "tensors of torchao's own classes", kAnew},
    {"ascend", "an msModelSlim checkpoint whose quant_model_description.json is missing",
     "the description that the tool wrote beside the weights"},
};

const Row* find(std::span<const Row> rows, std::string_view name) {
  const auto has_part = [name](const Row& row) { return name.find(row.part) != name.npos; };
  const auto it = std::find_if(rows.begin(), rows.end(), has_part);
  return it == rows.end() ? nullptr : &*it;
}

Refusal refusal(std::span<const Row> rows, std::string_view name, const char* unknown) {
  const Row* row = find(rows, name);
  return row == nullptr ? Refusal{unknown, kAnew} : Refusal{row->what, row->needed};
}

}  // namespace

Refusal refused_type(std::string_view type) { return refusal(kTypes, type, "a type that this library does not know"); }

std::string foreign_dtype(std::string_view dtype) {
  const Row* row = find(kDTypes, dtype);
  return row == nullptr ? "" : row->what;
}

Refusal refused_format(std::string_view format) {
  return refusal(kFormats, format, "a compression that this library does not know");
}

Refusal refused_method(std::string_view method) {
  return refusal(kMethods, method, "a quantization method that this library does not know");
}

}  // namespace a8w8::checkpoint
