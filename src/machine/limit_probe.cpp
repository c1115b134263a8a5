#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "a8w8/context.h"
#include "a8w8/machine.h"
#include "cpu/cache_info.h"
#include "kernels/registry.h"
#include "machine/read_buffer.h"

namespace a8w8 {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kMultiplySeconds = 1e-3;  // what a call of multiply() takes, about
constexpr int64_t kReadTasks = 4;          // of a call of read(): 16 MiB

}  // namespace

struct LimitProbe::State {
  explicit State(ExecutionContext& context) : ctx(context), kernel(select_peak(context.isas())) {
    for (Clock::duration taken{}; std::chrono::duration<double>(taken).count() < kMultiplySeconds / 2; steps *= 2) {
      const auto start = Clock::now();
      kernel.run(steps, &seed);
      taken = Clock::now() - start;
    }
  }

  void read(const ReadPattern& pattern) {
    const int64_t first = std::exchange(next, (next + kReadTasks) % (buffer->tasks() / kReadTasks * kReadTasks));
    ctx.parallel_for(kReadTasks, [&](int64_t task) { buffer->read(kernel, pattern, first + task); });
  }

  // The pattern that is fastest here, each by the best of a few.
  void choose_pattern() {
    auto best = Clock::duration::max();
    for (const ReadPattern& pattern : kReadPatterns) {
      for (int pass = 0; pass < 8; ++pass) {
        const auto start = Clock::now();
        read(pattern);
        const auto taken = Clock::now() - start;
        if (taken < best) best = taken, fastest = pattern;
      }
    }
  }

  ExecutionContext& ctx;
  const PeakKernel& kernel;
  int32_t seed = 0x11223344;
  int64_t steps = 1 << 10;
  std::optional<ReadBuffer> buffer;
  ReadPattern fastest = kReadPatterns[0];
  int64_t next = 0;  // task to read
};

LimitProbe::LimitProbe(ExecutionContext& ctx) : state_(std::make_unique<State>(ctx)) {}
LimitProbe::~LimitProbe() = default;

double LimitProbe::operations() const {
  int32_t seed = state_->seed;
  return 2.0 * static_cast<double>(state_->kernel.run(1, &seed) * state_->steps * state_->ctx.num_threads());
}

void LimitProbe::multiply() {
  state_->ctx.parallel_for(state_->ctx.num_threads(), [&](int64_t thread) {
    int32_t own_seed = state_->seed + static_cast<int32_t>(thread);
    state_->kernel.run(state_->steps, &own_seed);
  });
}

double LimitProbe::bytes() const { return static_cast<double>(kReadTasks * ReadBuffer::kTaskBytes); }

void LimitProbe::read() {
  if (!state_->buffer) {
    state_->buffer.emplace(cache_sizes().l3, state_->ctx);
    state_->choose_pattern();
  }
  state_->read(state_->fastest);
}

}  // namespace a8w8
