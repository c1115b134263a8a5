// a8w8 inspect: what a folder holds, and everything that is wrong with it.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "a8w8/inspect.h"
#include "cli/command.h"
#include "cli/terminal.h"

namespace a8w8::cli {
namespace {

constexpr size_t kMaxNames = 12;

std::string size_text(int64_t bytes) {
  const double value = static_cast<double>(bytes);
  if (value >= 1e9) return format_figure(value / 1e9) + " GB";
  if (value >= 1e6) return format_figure(value / 1e6) + " MB";
  return value >= 1e3 ? format_figure(value / 1e3) + " kB" : std::to_string(bytes) + " B";
}

std::string joined(const std::vector<std::string>& names, size_t limit) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), limit); ++i) text += (i > 0 ? ", " : "") + names[i];
  if (names.size() > limit) text += " and " + std::to_string(names.size() - limit) + " more";
  return text;
}

std::string counted(int64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

void print_groups(const CheckpointReport& report) {
  std::vector<std::vector<std::string>> rows = {{"type", "layers", "tensors", "size"}};
  int64_t layers = 0, tensors = 0;
  for (const CheckpointGroup& group : report.groups) {
    rows.push_back({printable(group.quant_type), std::to_string(group.layers), std::to_string(group.tensors),
                    size_text(group.bytes)});
    layers += group.layers, tensors += group.tensors;
  }
  rows.push_back({"total", std::to_string(layers), std::to_string(tensors), size_text(report.total_bytes)});
  std::printf("\n%s", format_table(rows).c_str());
}

void print_findings(const CheckpointReport& report, bool are_warnings) {
  for (const Finding& finding : report.findings) {
    if (finding.is_warning != are_warnings) continue;
    std::printf("\n  %s", finding.file.empty() ? "folder" : printable(finding.file).c_str());
    if (!finding.tensor.empty()) std::printf(", tensor %s", printable(finding.tensor).c_str());
    std::printf("\n    found     %s\n", printable(finding.found).c_str());
    if (!finding.expected.empty()) std::printf("    expected  %s\n", printable(finding.expected).c_str());
    if (!finding.cause.empty()) std::printf("    cause     %s\n", printable(finding.cause).c_str());
  }
}

void print(const CheckpointReport& report) {
  std::printf("%s\n%s\n", report.folder.c_str(), printable(report.scheme).c_str());
  if (!report.architectures.empty() || !report.model_dtype.empty()) {
    const std::string dtype = report.model_dtype.empty() ? "" : " in " + report.model_dtype;
    std::printf("model: %s%s\n", printable(joined(report.architectures, kMaxNames)).c_str(), printable(dtype).c_str());
  }
  print_groups(report);
  std::printf("in %s\n", counted(report.files, "file").c_str());
  if (!report.float_layers.empty() && report.groups.front().is_quantized) {
    std::printf("\nfloat matrices: %s\n", printable(joined(report.float_layers, kMaxNames)).c_str());
  }
  const auto is_warning = [](const Finding& finding) { return finding.is_warning; };
  const int64_t warnings = std::count_if(report.findings.begin(), report.findings.end(), is_warning);
  const int64_t problems = static_cast<int64_t>(report.findings.size()) - warnings;
  if (problems > 0) std::printf("\n%s\n", counted(problems, "problem").c_str());
  print_findings(report, false);
  if (warnings > 0) std::printf("\n%s\n", counted(warnings, "warning").c_str());
  print_findings(report, true);
  if (report.findings_omitted > 0)
    std::printf("\nand %s not shown\n", counted(report.findings_omitted, "finding").c_str());
  if (report.ok()) std::puts("\nnothing is wrong");
}

}  // namespace

void add_inspect(CLI::App& app, Action& action) {
  CLI::App* verb =
      app.add_subcommand("inspect", "What a checkpoint folder holds, and everything that is wrong with it");
  const auto folder = std::make_shared<std::string>();
  const auto as_json = std::make_shared<bool>(false);
  verb->add_option("folder", *folder, "msModelSlim's, compressed-tensors', or a float model")->required();
  verb->add_flag("--json", *as_json, "print JSON");
  verb->callback([=, &action] {
    action = [=] {
      const CheckpointReport report = inspect(*folder);
      *as_json ? void(std::puts(to_json(report).c_str())) : print(report);
      return report.ok() ? kOk : kProblemFound;
    };
  });
}

}  // namespace a8w8::cli
