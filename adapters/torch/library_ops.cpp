// What the Python package needs of the library besides the operations: checkpoint files, the product, what runs here.
// These take no part in graphs.
#include <ATen/ops/from_blob.h>
#include <torch/library.h>

#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "a8w8/checkpoint.h"
#include "a8w8/isa.h"
#include "a8w8/kernels.h"
#include "a8w8/op_table.h"
#include "a8w8/product.h"
#include "a8w8/status.h"
#include "convert.h"

namespace a8w8::torch_adapter {
namespace {

using Strings = std::vector<std::string>;

// A tensor over the mapped bytes; it keeps the mapping alive by a copy of `owner`.
template <class Owner>
at::Tensor map_tensor(const ConstTensorView& view, const Owner& owner) {
  const at::IntArrayRef sizes(view.sizes.begin(), view.sizes.end()), strides(view.strides.begin(), view.strides.end());
  return at::from_blob(
      const_cast<void*>(view.data), sizes, strides, [owner](void*) {}, at::TensorOptions(to_scalar_type(view.dtype)));
}

std::tuple<Strings, Strings, std::vector<at::Tensor>> read_checkpoint(std::string folder) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  std::tuple<Strings, Strings, std::vector<at::Tensor>> result;
  for (const CheckpointTensor& t : checkpoint.tensors()) {
    std::get<0>(result).push_back(t.name);
    std::get<1>(result).push_back(t.quant_type);
    std::get<2>(result).push_back(map_tensor(t.view, checkpoint));
  }
  return result;
}

std::tuple<Strings, std::vector<at::Tensor>> read_safetensors(std::string path) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  std::tuple<Strings, std::vector<at::Tensor>> result;
  for (const NamedTensor& t : file.tensors()) {
    std::get<0>(result).push_back(t.name);
    std::get<1>(result).push_back(map_tensor(t.view, file));
  }
  return result;
}

void check_lengths(size_t a, size_t b, const char* what) {
  if (a != b) throw Error(ErrorCode::kInvalidArgument, std::string("write_checkpoint: ") + what + " differ in length");
}

void write_checkpoint(std::string folder, Strings names, Strings quant_types, std::vector<at::Tensor> tensors,
                      Strings file_names, Strings file_contents, int64_t max_part_bytes) {
  check_lengths(names.size(), quant_types.size(), "names and quant_types");
  check_lengths(names.size(), tensors.size(), "names and tensors");
  check_lengths(file_names.size(), file_contents.size(), "file_names and file_contents");
  Operands operands("write_checkpoint", Mode::kCpu, Operands::Symbols::kNumbers);
  std::vector<CheckpointTensor> entries;
  for (size_t i = 0; i < names.size(); ++i)
    entries.push_back({names[i], quant_types[i], operands.view(tensors[i], names[i].c_str())});
  CheckpointWriteOptions options;
  options.max_part_bytes = max_part_bytes;
  for (size_t i = 0; i < file_names.size(); ++i) options.extra_files.emplace_back(file_names[i], file_contents[i]);
  a8w8::write_checkpoint(folder, entries, options);
}

std::string product() { return product_name(default_product()); }
void set_product(std::string name) { set_default_product(parse_product(name)); }

nlohmann::json names_of(IsaSet set) {
  nlohmann::json names = nlohmann::json::array();
  for (Isa isa : list(set)) names.push_back(isa_name(isa));
  return names;
}

// Cells of the tables in the words of the messages.
std::string op_tables(std::string product_name) {
  const Product product = parse_product(product_name);
  nlohmann::json rows = nlohmann::json::array(), forms = nlohmann::json::array();
  for (const QuantMatmulRow& r : quant_matmul_table(product)) {
    rows.push_back({{"number", r.number},
                    {"x", describe(r.x)},
                    {"scale", describe(r.scale)},
                    {"offset", describe(r.offset)},
                    {"bias", describe(r.bias)},
                    {"pertoken_scale", describe(r.pertoken_scale)},
                    {"output", describe(r.output)},
                    {"per_group", r.per_group}});
  }
  for (const OpForm& f : op_forms(product)) {
    nlohmann::json operands = nlohmann::json::array();
    for (const OperandRow& o : f.operands)
      operands.push_back({{"name", o.name}, {"dtypes", describe(o.dtypes)}, {"shape", o.shape}});
    forms.push_back({{"op", f.op},
                     {"form", f.form},
                     {"formula", f.formula},
                     {"operands", operands},
                     {"result", describe(f.result)}});
  }
  return nlohmann::json{{"title", quant_matmul_table_title(product)}, {"quant_matmul", rows}, {"forms", forms}}.dump();
}

std::string config() {
  const ExecutionContext& ctx = current_context();
  const KernelNames kernels = kernel_names(ctx.isas());
  const nlohmann::json j = {
      {"version", A8W8_VERSION},
      {"torch", A8W8_TORCH_VERSION},
      {"product", product()},
      {"cpu", cpu_name()},
      {"isas",
       {{"compiled", names_of(compiled_isas())},
        {"supported", names_of(supported_isas())},
        {"usable", names_of(ctx.isas())}}},
      {"kernels",
       {{"gemm", kernels.gemm}, {"dot", kernels.dot}, {"epilogue", kernels.epilogue}, {"quantize", kernels.quantize}}},
      {"threads", ctx.num_threads()}};
  return j.dump();
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(a8w8, m) {
  m.def("read_checkpoint(str folder) -> (str[] names, str[] quant_types, Tensor[] tensors)", read_checkpoint);
  m.def("read_safetensors(str path) -> (str[] names, Tensor[] tensors)", read_safetensors);
  m.def(
      "write_checkpoint(str folder, str[] names, str[] quant_types, Tensor[] tensors, str[] file_names, str[] "
      "file_contents, "
      "int max_part_bytes) -> ()",
      write_checkpoint);
  m.def("product() -> str", product);
  m.def("set_product(str name) -> ()", set_product);
  m.def("config() -> str", config);
  m.def("op_tables(str product) -> str", op_tables);
}

}  // namespace a8w8::torch_adapter
