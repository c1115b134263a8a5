// a8w8 verify: this machine's kernels against the reference.
#include <cstdio>
#include <memory>
#include <random>

#include "a8w8/isa.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/verify.h"

namespace a8w8::cli {
namespace {

struct Options : VerifyOptions {
  std::string isa_name;
  bool json = false;
};

int64_t total(const VerifyReport& report, int64_t VerifyRow::*figure) {
  int64_t sum = 0;
  for (const VerifyRow& row : report.rows) sum += row.*figure;
  return sum;
}

void print(const VerifyReport& report) {
  std::printf("%s, 1 to %d threads, seed %llu\n\n%s\n", cpu_name().c_str(), report.threads,
              static_cast<unsigned long long>(report.seed), verify_table(report).c_str());
  std::fputs(verify_differences(report).c_str(), stdout);
  if (report.ok()) {
    std::printf("All %lld elements are the reference's, bit for bit, after %s s.\n",
                static_cast<long long>(total(report, &VerifyRow::elements)), format_figure(report.seconds).c_str());
  } else {
    std::printf("%lld of %lld elements are wrong: do not trust results of this build on this machine.\n",
                static_cast<long long>(total(report, &VerifyRow::differences)),
                static_cast<long long>(total(report, &VerifyRow::elements)));
  }
}

}  // namespace

void add_verify(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand("verify", "this machine's kernels against the reference, on random problems");
  const auto o = std::make_shared<Options>();
  o->seed = std::random_device()();
  verb->add_option("--seconds", o->seconds, "begin new problems for so long")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  verb->add_option("--problems", o->problems, "of each op, whatever the time")->check(CLI::PositiveNumber);
  verb->add_option("--seed", o->seed, "of the first problem of each op; default: another one each time");
  verb->add_option("--isa", o->isa_name, "only this instruction set; a8w8 info lists them");
  verb->add_option("--op", o->op, "only this op");
  verb->add_option("--threads", o->threads, "only with so many threads")->check(CLI::Range(1, 4096));
  verb->add_flag("--json", o->json, "print JSON");
  verb->callback([=, &action] {
    action = [=] {
      if (!o->isa_name.empty()) o->isa = parse_isa(o->isa_name);
      const VerifyReport report = verify(*o);
      o->json ? void(std::puts(report.json().dump(2).c_str())) : print(report);
      return report.ok() ? kOk : kProblemFound;
    };
  });
}

}  // namespace a8w8::cli
