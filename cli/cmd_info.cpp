// a8w8 info: what this machine is, what runs on it, and what it can do at best.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "a8w8/isa.h"
#include "a8w8/kernels.h"
#include "a8w8/product.h"
#include "cli/command.h"
#include "cli/machine_report.h"
#include "cli/terminal.h"

namespace a8w8::cli {
namespace {

std::vector<std::string> names(IsaSet set) {
  std::vector<std::string> result;
  for (const Isa isa : list(set)) result.emplace_back(isa_name(isa));
  return result;
}

// The keys are those of the Python package's a8w8.config.current(), and then the machine's.
nlohmann::json collect() {
  Contexts contexts;
  const ExecutionContext ctx;
  Machine machine;
  machine.measure({ctx.num_threads()}, contexts);
  const KernelNames kernels = kernel_names(ctx.isas());
  nlohmann::json info = machine.json();
  info["version"] = A8W8_VERSION;
  info["product"] = product_name(default_product());
  info["isas"] = {
      {"compiled", names(compiled_isas())}, {"supported", names(supported_isas())}, {"usable", names(ctx.isas())}};
  info["kernels"] = {
      {"gemm", kernels.gemm}, {"dot", kernels.dot}, {"epilogue", kernels.epilogue}, {"quantize", kernels.quantize}};
  return info;
}

std::string size_text(const nlohmann::json& bytes) {
  const auto size = bytes.get<int64_t>();
  return size % (1 << 20) == 0 ? std::to_string(size >> 20) + " MB" : std::to_string(size >> 10) + " KB";
}

std::string joined(const nlohmann::json& list) {
  std::string text;
  for (const auto& name : list) text += (text.empty() ? "" : ", ") + name.get<std::string>();
  return text;
}

void print(const nlohmann::json& info) {
  const std::string threads = std::to_string(info["threads"].get<int>());
  const auto figures = [&](const char* one, const char* all, const char* unit) {
    std::string text = format_figure(info[one]) + " " + unit + " with 1 thread";
    if (threads != "1") text += ", " + format_figure(info[all]) + " with " + threads;
    return text;
  };
  std::vector<std::pair<std::string, std::string>> rows = {
      {"a8w8", info["version"]},
      {"product", info["product"].get<std::string>() + " (A8W8_PRODUCT)"},
      {"CPU", info["cpu"].get<std::string>() + ", " + threads + (threads == "1" ? " thread" : " threads")},
      {"caches", size_text(info["caches"]["l1d"]) + " L1d, " + size_text(info["caches"]["l2"]) + " L2, " +
                     size_text(info["caches"]["l3"]) + " last level"}};
  for (const char* state : {"compiled", "supported", "usable"}) {
    rows.emplace_back(std::string("ISAs ") + state, joined(info["isas"][state]));
  }
  for (const auto& [role, name] : info["kernels"].items()) rows.emplace_back(role + " kernel", name);
  rows.emplace_back("int8 peak", figures("peak_int8_gops_1", "peak_int8_gops", "GOP/s"));
  rows.emplace_back("memory read", figures("read_gbps_1", "read_gbps", "GB/s"));
  for (const auto& [label, value] : rows) std::printf("%-16s  %s\n", label.c_str(), value.c_str());
}

}  // namespace

void add_info(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand("info", "CPU, instruction sets, kernels, peak and bandwidth of this machine");
  const auto as_json = std::make_shared<bool>(false);
  verb->add_flag("--json", *as_json, "print JSON");
  verb->callback([=, &action] {
    action = [=] {
      const nlohmann::json info = collect();
      *as_json ? void(std::puts(info.dump(2).c_str())) : print(info);
      return kOk;
    };
  });
}

}  // namespace a8w8::cli
