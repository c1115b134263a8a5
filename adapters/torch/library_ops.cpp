// What the Python package needs of the library besides operations and files: the product, what runs here. These take no
// part in graphs.
#include <torch/library.h>

#include <nlohmann/json.hpp>
#include <string>

#include "a8w8/isa.h"
#include "a8w8/kernels.h"
#include "a8w8/op_table.h"
#include "a8w8/product.h"
#include "convert.h"

namespace a8w8::torch_adapter {
namespace {

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
  m.def("product() -> str", product);
  m.def("set_product(str name) -> ()", set_product);
  m.def("config() -> str", config);
  m.def("op_tables(str product) -> str", op_tables);
}

}  // namespace a8w8::torch_adapter
