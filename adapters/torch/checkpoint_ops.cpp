// Checkpoint files for the Python package. These take no part in graphs.
#include <ATen/ops/from_blob.h>
#include <torch/library.h>

#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "a8w8/checkpoint.h"
#include "a8w8/inspect.h"
#include "a8w8/status.h"
#include "convert.h"

namespace a8w8::torch_adapter {
namespace {

using Json = nlohmann::json;
using Strings = std::vector<std::string>;
using Tensors = std::vector<at::Tensor>;

// A tensor over the mapped bytes; it keeps the mapping alive by a copy of `owner`.
template <class Owner>
at::Tensor map_tensor(const ConstTensorView& view, const Owner& owner) {
  const at::IntArrayRef sizes(view.sizes.begin(), view.sizes.end()), strides(view.strides.begin(), view.strides.end());
  return at::from_blob(
      const_cast<void*>(view.data), sizes, strides, [owner](void*) {}, at::TensorOptions(to_scalar_type(view.dtype)));
}

template <class Value>
Value choose(const char* what, const std::string& name, std::initializer_list<std::pair<const char*, Value>> choices) {
  std::string names;
  for (const auto& [known, value] : choices) {
    if (name == known) return value;
    names += (names.empty() ? "\"" : ", \"") + std::string(known) + "\"";
  }
  throw Error(ErrorCode::kInvalidArgument,
              std::string("read_checkpoint: ") + what + " is \"" + name + "\", but must be one of " + names);
}

LayerOptions layer_options(const std::string& dtype, const std::string& parity, const std::string& mix) {
  LayerOptions options;
  options.model_dtype = choose<std::optional<DType>>(
      "dtype", dtype,
      {{"auto", std::nullopt}, {"float32", DType::kF32}, {"bfloat16", DType::kBF16}, {"float16", DType::kF16}});
  options.parity = choose<Parity>("parity", parity, {{"exact", Parity::kExact}, {"vllm-ascend", Parity::kVllmAscend}});
  options.mix = choose<LayerScheme>("mix", mix, {{"dynamic", LayerScheme::kDynamic}, {"static", LayerScheme::kStatic}});
  return options;
}

// Collects tensors under the names of QuantizedLinear's buffers.
class Collector {
 public:
  explicit Collector(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  void add_layer(const LayerParameters& layer) {
    const auto add = [&](const char* role, const std::optional<ConstTensorView>& view) {
      if (view) push(layer.name + "." + role, map_tensor(*view, layer.owned));
    };
    add("weight", layer.weight);
    add("weight_scale", layer.weight_scale);
    const std::string offset = layer.name + ".weight_offset";  // zeros, but QuantizedLinear has them as its tools do
    if (layer.scheme == LayerScheme::kDynamic && checkpoint_.contains(offset))
      add("weight_offset", checkpoint_.tensor(offset));
    add("input_scale", layer.input_scale);
    add("input_offset", layer.input_offset);
    add("deq_scale", layer.deq_scale);
    add("quant_bias", layer.quant_bias);
    add("bias", layer.bias);
    layers_.push_back({{"name", layer.name},
                       {"scheme", layer.scheme == LayerScheme::kStatic ? "w8a8" : "w8a8_dynamic"},
                       {"quant_type", layer.quant_type},
                       {"adds_bias", layer.adds_bias}});
  }
  void add_tensor(const CheckpointTensor& tensor) { push(tensor.name, map_tensor(tensor.view, checkpoint_)); }

  std::tuple<std::string, Strings, Tensors> result() {
    const Json summary = {{"format", format_name(checkpoint_.format())},
                          {"scheme", checkpoint_.scheme()},
                          {"warnings", checkpoint_.warnings()},
                          {"layers", layers_}};
    return {summary.dump(-1, ' ', false, Json::error_handler_t::replace), std::move(names_), std::move(tensors_)};
  }

 private:
  void push(std::string name, at::Tensor tensor) {
    names_.push_back(std::move(name));
    tensors_.push_back(std::move(tensor));
  }

  const Checkpoint& checkpoint_;
  Json layers_ = Json::array();
  Strings names_;
  Tensors tensors_;
};

std::tuple<std::string, Strings, Tensors> read_checkpoint(std::string folder, std::string dtype, std::string parity,
                                                          std::string mix) {
  const LayerOptions options = layer_options(dtype, parity, mix);
  const Checkpoint checkpoint = Checkpoint::open(folder);
  Collector collector(checkpoint);
  for (const std::string& layer : checkpoint.quantized_layers()) collector.add_layer(checkpoint.layer(layer, options));
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    if (checkpoint.layer_of(tensor.name).empty() && !checkpoint.is_ignored(tensor.name)) collector.add_tensor(tensor);
  }
  return collector.result();
}

std::string inspect_checkpoint(std::string folder) { return to_json(inspect(folder)); }

std::tuple<Strings, Tensors> read_safetensors(std::string path) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  std::tuple<Strings, Tensors> result;
  for (const NamedTensor& t : file.tensors()) {
    std::get<0>(result).push_back(t.name);
    std::get<1>(result).push_back(map_tensor(t.view, file));
  }
  return result;
}

void check_lengths(size_t a, size_t b, const char* what) {
  if (a != b) throw Error(ErrorCode::kInvalidArgument, std::string("write_checkpoint: ") + what + " differ in length");
}

void write_checkpoint(std::string folder, Strings names, Strings quant_types, Tensors tensors, Strings file_names,
                      Strings file_contents, int64_t max_part_bytes, std::string format) {
  check_lengths(names.size(), quant_types.size(), "names and quant_types");
  check_lengths(names.size(), tensors.size(), "names and tensors");
  check_lengths(file_names.size(), file_contents.size(), "file_names and file_contents");
  Operands operands("write_checkpoint", Mode::kCpu, Operands::Symbols::kNumbers);
  std::vector<CheckpointTensor> entries;
  for (size_t i = 0; i < names.size(); ++i)
    entries.push_back({names[i], quant_types[i], operands.view(tensors[i], names[i].c_str())});
  CheckpointWriteOptions options;
  options.format = parse_format(format);
  options.max_part_bytes = max_part_bytes;
  for (size_t i = 0; i < file_names.size(); ++i) options.extra_files.emplace_back(file_names[i], file_contents[i]);
  a8w8::write_checkpoint(folder, entries, options);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(a8w8, m) {
  m.def(
      "read_checkpoint(str folder, str dtype=\"auto\", str parity=\"exact\", str mix=\"dynamic\") -> (str summary, "
      "str[] names, Tensor[] tensors)",
      read_checkpoint);
  m.def("inspect(str folder) -> str", inspect_checkpoint);
  m.def("read_safetensors(str path) -> (str[] names, Tensor[] tensors)", read_safetensors);
  m.def(
      "write_checkpoint(str folder, str[] names, str[] quant_types, Tensor[] tensors, str[] file_names, str[] "
      "file_contents, "
      "int max_part_bytes, str format=\"msmodelslim\") -> ()",
      write_checkpoint);
}

}  // namespace a8w8::torch_adapter
