// What the verbs that write checkpoints share: their options, a bar that shows how far they are, and a way to stop
// them.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "a8w8/make_checkpoint.h"

namespace a8w8::cli {

inline constexpr int kInterrupted = 130;  // what shells expect after Ctrl-C

struct Interrupted {};

// While it lives, Ctrl-C and SIGTERM make the progress callback throw Interrupted, so that nothing is left behind, and
// a write beyond the limit of file sizes is an error rather than the end of the process.
class Interruptible {
 public:
  Interruptible();
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  using Handler = void (*)(int);
  Handler on_interrupt_, on_terminate_, on_too_large_;
};

// "[######                  ]  25 %  1.2 GB/s  0:07 left" on stderr, rewritten in place; nothing where stderr is no
// terminal.
class ByteProgress {
 public:
  ByteProgress();
  ~ByteProgress();  // wipes the line
  ByteProgress(const ByteProgress&) = delete;
  ByteProgress& operator=(const ByteProgress&) = delete;

  void show(const CheckpointProgress& progress);
  double seconds() const;

 private:
  bool shown_;
  std::chrono::steady_clock::time_point begin_, last_;
};

// The line without the bar's surroundings; seconds since the beginning.
std::string progress_line(const CheckpointProgress& progress, double seconds);

std::string bytes_text(double bytes);  // "1.23 GB"

// Calls work(callback); returns its status, or kInterrupted.
template <class Work>
int run_interruptibly(ByteProgress& progress, const Work& work) {
  const Interruptible guard;
  try {
    return work([&progress](const CheckpointProgress& now) { progress.show(now); });
  } catch (const Interrupted&) {
    return kInterrupted;
  }
}

// What both verbs take besides what to read. Options: to, json, and make, an options struct of make_checkpoint.h.
template <class Options>
void add_output_options(CLI::App& verb, const std::shared_ptr<Options>& options) {
  verb.add_option("-o,--output", options->to, "the folder to write")->required();
  verb.add_option("--part-size", options->make.max_part_bytes, "largest file, e.g. 4GB")
      ->transform(CLI::AsSizeValue(false));
  verb.add_option("--threads", options->make.num_threads, "default: A8W8_NUM_THREADS, or all cores")
      ->check(CLI::Range(1, 4096));
  verb.add_flag("--sync", options->make.durable, "wait until everything is on the disk");
  verb.add_flag("--json", options->json, "print JSON");
}

}  // namespace a8w8::cli
