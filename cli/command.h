// The verbs of the command line. A verb is a file, cmd_<verb>.cpp, and a line below:
//
//   void add_greet(CLI::App& app, Action& action) {
//     CLI::App* verb = app.add_subcommand("greet", "says hello");
//     auto name = std::make_shared<std::string>("you");
//     verb->add_option("--name", *name, "who is greeted");
//     verb->callback([=, &action] { action = [=] { return puts(name->c_str()), kOk; }; });
//   }
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace a8w8::cli {

// Exit statuses.
inline constexpr int kOk = 0;
inline constexpr int kProblemFound = 1;
inline constexpr int kWrongUsage = 2;

// What the verb that was given is to do, once the whole line is parsed; returns the exit status.
using Action = std::function<int()>;

void add_info(CLI::App& app, Action& action);
void add_bench(CLI::App& app, Action& action);
void add_inspect(CLI::App& app, Action& action);
void add_layer(CLI::App& app, Action& action);
void add_quantize(CLI::App& app, Action& action);
void add_convert(CLI::App& app, Action& action);
void add_verify(CLI::App& app, Action& action);

inline constexpr void (*kVerbs[])(CLI::App&, Action&) = {add_info,     add_bench,   add_inspect, add_layer,
                                                         add_quantize, add_convert, add_verify};

// The whole program: parses, acts, explains what is wrong on stderr.
int run(int argc, const char* const* argv);

}  // namespace a8w8::cli
