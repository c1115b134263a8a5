// Runs the program a8w8 as a user does.
#pragma once

#include <stdio.h>
#include <sys/wait.h>

#include <string>

namespace a8w8::testing {

struct ProgramResult {
  int status;
  std::string output;  // of stdout and stderr
};

// `before` stands in front of the program's name: settings of the environment, or other commands of the shell.
inline ProgramResult run_program(const std::string& arguments, const std::string& before = "") {
  const std::string command = "(" + before + " '" A8W8_CLI_PROGRAM "' " + arguments + ") 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  ProgramResult result{-1, ""};
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) result.output.append(buffer, n);
  const int status = pclose(pipe);
  if (WIFEXITED(status)) result.status = WEXITSTATUS(status);
  return result;
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace a8w8::testing
