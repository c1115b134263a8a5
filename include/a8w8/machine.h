// What this machine can do at best, measured: the figures to hold others against.
//
//   ExecutionContext ctx;
//   MachineLimits limits = measure_machine(ctx);          // some 200 ms
//   printf("%.0f of %.0f GOP/s\n", 2e-9 * m * n * k / seconds, limits.peak_int8_gops);
#pragma once

#include <cstdint>
#include <memory>

namespace a8w8 {

class ExecutionContext;

struct MachineLimits {
  const char* kernel = "";    // what the peak was measured with: "peak_avx512_vnni"
  double peak_int8_gops = 0;  // 1e9 operations a second, a multiply-add being two; with the context's threads and ISAs
  double read_gbps = 0;       // 1e9 bytes a second out of memory, with the context's threads
};

// Multiply-adds on registers, and reads of a buffer much larger than the caches by each of several patterns: the best
// of many short runs, so that what other programs do to the machine meanwhile counts as little as possible.
MachineLimits measure_machine(ExecutionContext& ctx);

// The same two limits as calls that take a millisecond or two, to be timed in turns with others: on a machine that
// other programs slow down, what one of them reaches is judged by what the other reaches at that time.
class LimitProbe {
 public:
  explicit LimitProbe(ExecutionContext& ctx);  // which must outlive it
  ~LimitProbe();

  void multiply();            // on registers, with all threads of the context
  double operations() const;  // of a call of multiply(), a multiply-add being two
  void read();                // memory that is in no cache; the first call makes it, and takes longer
  double bytes() const;       // of a call of read()

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Bytes of one data cache of each level; the last level is shared by cores.
struct CacheBytes {
  int64_t l1d, l2, l3;
};
CacheBytes cache_bytes();

}  // namespace a8w8
