// a8w8 quantize: a float Hugging Face folder to W8A8_DYNAMIC, without running the model.
#include <cstdio>
#include <map>
#include <memory>

#include "a8w8/status.h"
#include "cli/command.h"
#include "cli/making.h"

namespace a8w8::cli {
namespace {

constexpr size_t kNamesShown = 4;

struct Options {
  std::string from, to, scheme, format = "msmodelslim";
  QuantizeCheckpointOptions make;
  bool json = false;
};

nlohmann::json to_json(const Options& options, const QuantizeCheckpointReport& report, double seconds) {
  nlohmann::json kept = nlohmann::json::array();
  for (const KeptLayer& layer : report.kept) kept.push_back({{"name", layer.name}, {"reason", layer.reason}});
  return {{"folder", options.to},
          {"format", options.format},
          {"scheme", options.scheme},
          {"quantized", report.quantized},
          {"kept", kept},
          {"warnings", report.warnings},
          {"read_bytes", report.read_bytes},
          {"written_bytes", report.written_bytes},
          {"seconds", seconds}};
}

// "output head: lm_head" and so on; of many names the first few.
void print_kept(const std::vector<KeptLayer>& kept) {
  std::map<std::string, std::vector<std::string>> by_reason;
  for (const KeptLayer& layer : kept) by_reason[layer.reason].push_back(layer.name);
  for (const auto& [reason, names] : by_reason) {
    std::string text;
    for (size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) text += (i > 0 ? ", " : "") + names[i];
    if (names.size() > kNamesShown) text += " and " + std::to_string(names.size() - kNamesShown) + " more";
    std::printf("stays float    %s (%s)\n", text.c_str(), reason.c_str());
  }
}

void print(const Options& options, const QuantizeCheckpointReport& report, double seconds) {
  std::printf("quantized      %zu linear layers to %s, format %s\n", report.quantized.size(), options.scheme.c_str(),
              options.format.c_str());
  print_kept(report.kept);
  std::printf("bytes          %s read, %s written in %.2f s, %s/s\n",
              bytes_text(static_cast<double>(report.read_bytes)).c_str(),
              bytes_text(static_cast<double>(report.written_bytes)).c_str(), seconds,
              bytes_text(static_cast<double>(report.read_bytes) / seconds).c_str());
  std::printf("written to     %s\n", options.to.c_str());
}

int quantize(const Options& options) {
  if (options.scheme == "w8a8") {
    throw Error(
        ErrorCode::kInvalidArgument,
        "--scheme w8a8 (static) needs a calibration, which runs the model: that is in the command `a8w8` of the "
        "Python package, not in this program. --scheme w8a8_dynamic needs none");
  }
  QuantizeCheckpointOptions make = options.make;
  make.format = parse_format(options.format);
  QuantizeCheckpointReport report;
  double seconds = 0;
  {
    ByteProgress progress;
    const int status = run_interruptibly(progress, [&](const ProgressCallback& callback) {
      make.progress = callback;
      report = quantize_checkpoint(options.from, options.to, make);
      return kOk;
    });
    seconds = progress.seconds();
    if (status != kOk) return status;
  }
  for (const std::string& warning : report.warnings) std::fprintf(stderr, "a8w8: warning: %s\n", warning.c_str());
  options.json ? void(std::puts(to_json(options, report, seconds).dump(2).c_str())) : print(options, report, seconds);
  return kOk;
}

}  // namespace

void add_quantize(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand("quantize", "a float model's folder to a W8A8 checkpoint");
  const auto options = std::make_shared<Options>();
  verb->add_option("float_dir", options->from, "the model's folder: safetensors and config.json")->required();
  verb->add_option("--scheme", options->scheme,
                   "w8a8_dynamic; w8a8 (static, with --calibration, --smooth, ...) is the Python command's: "
                   "quantize --scheme w8a8 --help")
      ->required()
      ->check(CLI::IsMember({"w8a8_dynamic", "w8a8"}));
  verb->add_option("--format", options->format, "what the folder is to be")
      ->check(CLI::IsMember({"msmodelslim", "compressed-tensors"}))
      ->capture_default_str();
  verb->add_option("--skip", options->make.skip, "layers to leave float: names, or patterns with * ? [...]");
  add_output_options(*verb, options);
  verb->callback([=, &action] { action = [=] { return quantize(*options); }; });
}

}  // namespace a8w8::cli
