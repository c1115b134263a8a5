#include "cli/terminal.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>

namespace a8w8::cli {

std::string format_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      line += (i > 0 ? "  " : "") + (i == 0 ? row[i] + padding : padding + row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string format_figure(double value, int digits) {
  const int before_point = value < 1 ? 1 : static_cast<int>(std::log10(value)) + 1;
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", std::max(0, digits - before_point), value);
  return text;
}

std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return text;
}

Progress::Progress(size_t total) : shown_(isatty(STDERR_FILENO) != 0), total_(total) {}

Progress::~Progress() {
  if (shown_) std::fputs("\r\033[K", stderr);
}

void Progress::next(const std::string& what) {
  ++done_;
  if (shown_) std::fprintf(stderr, "\r\033[K[%zu/%zu] %s", done_, total_, what.c_str());
}

}  // namespace a8w8::cli
