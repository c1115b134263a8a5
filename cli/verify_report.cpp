// What people and programs read of a verification.
#include "cli/terminal.h"
#include "cli/verify.h"

namespace a8w8::cli {

std::string Difference::reproducer() const {
  return "a8w8 verify --op " + op + " --seed " + std::to_string(seed) + " --problems 1 --isa " + isa + " --threads " +
         std::to_string(threads);
}

std::string verify_table(const VerifyReport& report) {
  std::vector<std::vector<std::string>> rows = {{"op", "ISA", "problems", "elements", "differences"}};
  VerifyRow all;
  all.op = "all";
  for (const VerifyRow& row : report.rows) {
    rows.push_back(
        {row.op, row.isa, std::to_string(row.problems), std::to_string(row.elements), std::to_string(row.differences)});
    all.problems += row.problems, all.elements += row.elements, all.differences += row.differences;
  }
  rows.push_back(
      {all.op, all.isa, std::to_string(all.problems), std::to_string(all.elements), std::to_string(all.differences)});
  return format_table(rows);
}

std::string verify_differences(const VerifyReport& report) {
  std::string text;
  for (const Difference& d : report.differences) {
    text += d.op + " on " + d.isa + " with " + std::to_string(d.threads) + (d.threads == 1 ? " thread" : " threads") +
            ", seed " + std::to_string(d.seed) + ": " + d.what + "\n  " +
            (d.element.empty() ? "memory beside the result" : "element " + d.element) + ": expected " + d.expected +
            ", got " + d.got + "\n  again: " + d.reproducer() + "\n";
  }
  const auto shown = static_cast<int64_t>(report.differences.size());
  if (report.differing_problems > shown) {
    text += "... and " + std::to_string(report.differing_problems - shown) + " more\n";
  }
  return text;
}

nlohmann::json VerifyReport::json() const {
  nlohmann::json result = {{"ok", ok()},
                           {"cpu", cpu_name()},
                           {"seed", seed},
                           {"seconds", seconds},
                           {"threads", threads},
                           {"rows", nlohmann::json::array()},
                           {"version", A8W8_VERSION},
                           {"differing_problems", differing_problems},
                           {"differences", nlohmann::json::array()}};
  for (const VerifyRow& row : rows) {
    result["rows"].push_back({{"isa", row.isa},
                              {"op", row.op},
                              {"problems", row.problems},
                              {"elements", row.elements},
                              {"differences", row.differences}});
  }
  for (const Difference& d : differences) {
    result["differences"].push_back({{"isa", d.isa},
                                     {"op", d.op},
                                     {"problem", d.what},
                                     {"threads", d.threads},
                                     {"seed", d.seed},
                                     {"element", d.element},
                                     {"expected", d.expected},
                                     {"got", d.got},
                                     {"reproducer", d.reproducer()}});
  }
  return result;
}

}  // namespace a8w8::cli
