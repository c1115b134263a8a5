#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "a8w8/status.h"
#include "cli/command.h"

namespace a8w8::cli {
namespace {

std::vector<std::string> verb_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(verb->get_name());
  }
  return names;
}

int complain(const std::string& what, int status) {
  std::fprintf(stderr, "a8w8: %s\n", what.c_str());
  return status;
}

// CLI11 prints help and version to stdout, and what is wrong to stderr.
int parse(CLI::App& app, int argc, const char* const* argv) {
  try {
    app.parse(argc, argv);
    return kOk;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kWrongUsage;
  }
}

}  // namespace

int run(int argc, const char* const* argv) {
  CLI::App app("Ascend's A8W8 quantized linear layer on any CPU", "a8w8");
  app.set_version_flag("--version", A8W8_VERSION);
  app.require_subcommand(0, 1);
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return std::string("a8w8: ") + error.what() + "; --help says what there is\n";
  });
  bool list_verbs = false;
  app.add_flag("--verbs", list_verbs)->group("");  // for the Python command, which has verbs of its own
  Action action;
  for (const auto add : kVerbs) add(app, action);

  const std::vector<std::string> verbs = verb_names(app);
  if (argc > 1 && argv[1][0] != '-' && std::find(verbs.begin(), verbs.end(), argv[1]) == verbs.end()) {
    return complain(std::string("unknown verb \"") + argv[1] + "\"; known are " + CLI::detail::join(verbs, ", "),
                    kWrongUsage);
  }
  const int status = parse(app, argc, argv);
  if (list_verbs) return std::puts(CLI::detail::join(verbs, "\n").c_str()), kOk;
  if (!action) {
    // Help or a mistake has been printed, unless there was no verb at all.
    if (argc > 1) return status;
    std::fputs(app.help().c_str(), stderr);
    return kWrongUsage;
  }
  try {
    const int status = action();
    // A full disk behind a redirection shows only here.
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
      return complain("cannot write the answer to standard output", kProblemFound);
    return status;
  } catch (const Error& error) {
    return complain(error.what(), error.code() == ErrorCode::kInvalidArgument ? kWrongUsage : kProblemFound);
  } catch (const std::exception& error) {
    return complain(error.what(), kProblemFound);
  }
}

}  // namespace a8w8::cli
