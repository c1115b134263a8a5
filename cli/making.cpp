#include "cli/making.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "cli/terminal.h"

namespace a8w8::cli {
namespace {

constexpr int kBarWidth = 24;
constexpr std::chrono::milliseconds kInterval{100};

volatile std::sig_atomic_t interrupted = 0;

void note_interruption(int) { interrupted = 1; }

std::string time_text(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  char text[48];
  if (whole >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", static_cast<long long>(whole / 3600),
                  static_cast<long long>(whole / 60 % 60), static_cast<long long>(whole % 60));
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld", static_cast<long long>(whole / 60),
                  static_cast<long long>(whole % 60));
  }
  return text;
}

}  // namespace

Interruptible::Interruptible()
    : on_interrupt_(std::signal(SIGINT, note_interruption)),
      on_terminate_(std::signal(SIGTERM, note_interruption)),
      on_too_large_(std::signal(SIGXFSZ, SIG_IGN)) {
  interrupted = 0;
}

Interruptible::~Interruptible() {
  std::signal(SIGINT, on_interrupt_);
  std::signal(SIGTERM, on_terminate_);
  std::signal(SIGXFSZ, on_too_large_);
}

std::string bytes_text(double bytes) {
  for (const char* unit : {"B", "kB", "MB", "GB"}) {
    if (bytes < 1000) return format_figure(bytes) + " " + unit;
    bytes /= 1000;
  }
  return format_figure(bytes) + " TB";
}

std::string progress_line(const CheckpointProgress& progress, double seconds) {
  const double total = static_cast<double>(std::max<int64_t>(progress.total_bytes, 1));
  const double part = std::clamp(static_cast<double>(progress.done_bytes) / total, 0.0, 1.0);
  const int filled = static_cast<int>(part * kBarWidth);
  std::string line = "[" + std::string(static_cast<size_t>(filled), '#') +
                     std::string(static_cast<size_t>(kBarWidth - filled), ' ') + "]";
  char percent[16];
  std::snprintf(percent, sizeof percent, " %3.0f %%", part * 100);
  line += percent;
  if (progress.done_bytes == 0 || seconds <= 0) return line;
  const double speed = static_cast<double>(progress.done_bytes) / seconds;
  return line + "  " + bytes_text(speed) + "/s  " +
         time_text((static_cast<double>(progress.total_bytes) - static_cast<double>(progress.done_bytes)) / speed) +
         " left";
}

ByteProgress::ByteProgress() : shown_(isatty(STDERR_FILENO) != 0), begin_(std::chrono::steady_clock::now()) {}

ByteProgress::~ByteProgress() {
  if (shown_) std::fputs("\r\033[K", stderr);
}

double ByteProgress::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
}

void ByteProgress::show(const CheckpointProgress& progress) {
  if (interrupted) throw Interrupted();
  const auto now = std::chrono::steady_clock::now();
  if (!shown_ || (now - last_ < kInterval && progress.done_bytes < progress.total_bytes)) return;
  last_ = now;
  std::fprintf(stderr, "\r\033[K%s", progress_line(progress, seconds()).c_str());
}

}  // namespace a8w8::cli
