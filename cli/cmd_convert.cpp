// a8w8 convert: a quantized checkpoint in the other format, and what that loses.
#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/making.h"

namespace a8w8::cli {
namespace {

struct Options {
  std::string from, to, format;
  ConvertCheckpointOptions make;
  bool json = false;
};

nlohmann::json to_json(const Options& options, const ConvertCheckpointReport& report) {
  return {{"folder", options.to},
          {"from", format_name(report.from)},
          {"to", format_name(report.to)},
          {"dynamic_layers", report.dynamic_layers},
          {"static_layers", report.static_layers},
          {"losses", report.losses},
          {"notes", report.notes},
          {"written_bytes", report.written_bytes}};
}

void print(const Options& options, const ConvertCheckpointReport& report) {
  std::printf("converted      %s to %s: %lld dynamic layers, %lld static layers\n", format_name(report.from),
              format_name(report.to), static_cast<long long>(report.dynamic_layers),
              static_cast<long long>(report.static_layers));
  for (const std::string& note : report.notes) std::printf("note           %s\n", note.c_str());
  for (const std::string& loss : report.losses) std::printf("lost           %s\n", loss.c_str());
  if (report.losses.empty()) std::puts("lost           nothing");
  std::printf("written to     %s, %s\n", options.to.c_str(),
              bytes_text(static_cast<double>(report.written_bytes)).c_str());
}

int convert(const Options& options) {
  ConvertCheckpointOptions make = options.make;
  make.format = parse_format(options.format);
  ConvertCheckpointReport report;
  {
    ByteProgress progress;
    const int status = run_interruptibly(progress, [&](const ProgressCallback& callback) {
      make.progress = callback;
      report = convert_checkpoint(options.from, options.to, make);
      return kOk;
    });
    if (status != kOk) return status;
  }
  options.json ? void(std::puts(to_json(options, report).dump(2).c_str())) : print(options, report);
  return kOk;
}

}  // namespace

void add_convert(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand("convert", "a W8A8 checkpoint to another format");
  const auto options = std::make_shared<Options>();
  verb->add_option("dir", options->from, "the checkpoint's folder")->required();
  verb->add_option("--format", options->format, "what the folder is to be")
      ->required()
      ->check(CLI::IsMember({"msmodelslim", "compressed-tensors"}));
  add_output_options(*verb, options);
  verb->callback([=, &action] { action = [=] { return convert(*options); }; });
}

}  // namespace a8w8::cli
