// What people see: aligned tables on stdout, and on a terminal a line that tells how far things are.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

namespace a8w8::cli {

// Rows of cells, the first row the header; columns are as wide as their widest cell and, but for the first, aligned to
// the right.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

// printf's %.*f with `digits` digits that count, and never an exponent: 1.23, 12.3, 123, 1234.
std::string format_figure(double value, int digits = 3);

// Text of a file, made safe for a terminal: control characters become '?'.
std::string printable(std::string text);

// "[ 3/12] name" on stderr, rewritten in place; nothing where stderr is no terminal.
class Progress {
 public:
  explicit Progress(size_t total);
  ~Progress();  // wipes the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void next(const std::string& what);

 private:
  bool shown_;
  size_t total_, done_ = 0;
};

}  // namespace a8w8::cli
