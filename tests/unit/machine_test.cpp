// The machine's limits.
#include "a8w8/machine.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "a8w8/context.h"
#include "cpu/cache_info.h"

namespace a8w8 {
namespace {

template <class Call>
double seconds(const Call& call) {
  const auto start = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

TEST(MeasureMachine, NamesItsKernelAndFindsSomething) {
  ExecutionContext ctx(2);
  const MachineLimits limits = measure_machine(ctx);
  EXPECT_EQ(std::string(limits.kernel).rfind("peak_", 0), 0u) << limits.kernel;
  EXPECT_GT(limits.peak_int8_gops, 0);
  EXPECT_GT(limits.read_gbps, 0);
}

TEST(MeasureMachine, KeepsToTheIsasOfTheContext) {
  ExecutionContext ctx(1);
  ctx.set_max_isa(Isa::kScalar);
  EXPECT_STREQ(measure_machine(ctx).kernel, "peak_scalar");
}

TEST(LimitProbe, IsACallThatDoesWhatItSays) {
  ExecutionContext ctx(2);
  LimitProbe probe(ctx);
  EXPECT_GT(probe.operations(), 1e3);
  EXPECT_EQ(probe.bytes(), 16 << 20);
  const double multiplied = probe.operations() / seconds([&] { probe.multiply(); });
  EXPECT_GT(multiplied, 1e6) << "operations a second";
  probe.read();                                         // makes the memory
  for (int call = 0; call < 100; ++call) probe.read();  // past its end
  EXPECT_GT(probe.bytes() / seconds([&] { probe.read(); }), 1e6) << "bytes a second";
}

TEST(CacheBytes, AreThoseThatBlocksAreMadeFor) {
  EXPECT_EQ(cache_bytes().l1d, cache_sizes().l1d);
  EXPECT_EQ(cache_bytes().l2, cache_sizes().l2);
  EXPECT_EQ(cache_bytes().l3, cache_sizes().l3);
}

}  // namespace
}  // namespace a8w8
