// The kernels under test, generated from the tables: adding a row to a table adds its tests. Those for x86 come twice
// where SIMDe is installed: as compiled for the hardware, and emulated (tests/support/emulated).
//
// A kernel that this machine cannot run is skipped, loudly: the binary ends with the list of those that ran, and
// A8W8_REQUIRE_ISA=avx2,avx512_vnni makes a skip of these a failure.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "a8w8/isa.h"
#include "kernels/registry.h"

namespace a8w8::test {

struct TestTable {
  const IsaTable* table;
  bool emulated;
};
std::vector<TestTable> test_tables();

template <class Kernel>
struct KernelCase {
  const Kernel* kernel;
  bool emulated;

  std::string name() const { return std::string(kernel->name) + (emulated ? "_emulated" : ""); }
  friend void PrintTo(const KernelCase& c, std::ostream* out) { *out << c.name(); }
};

template <class Kernel>
std::vector<KernelCase<Kernel>> kernel_cases(std::span<const Kernel> IsaTable::*rows) {
  std::vector<KernelCase<Kernel>> cases;
  for (const TestTable& t : test_tables()) {
    for (const Kernel& kernel : t.table->*rows) cases.push_back({&kernel, t.emulated});
  }
  return cases;
}

// Whether this machine has all of `needs`; the answer is written down for the list at the end.
bool may_run(const std::string& name, IsaSet needs);
// Whether A8W8_REQUIRE_ISA names all of `needs`.
bool is_required(IsaSet needs);

template <class Kernel>
class KernelTest : public testing::TestWithParam<KernelCase<Kernel>> {
 protected:
  void SetUp() override {
    const KernelCase<Kernel>& c = this->GetParam();
    const IsaSet needs = c.emulated ? IsaSet(Isa::kScalar) : c.kernel->needs;
    if (may_run(c.name(), needs)) return;
    if (is_required(needs)) FAIL() << c.name() << " is required by A8W8_REQUIRE_ISA, but this machine lacks it";
    GTEST_SKIP() << c.name() << " needs " << isa_names(needs);
  }
  const Kernel& kernel() const { return *this->GetParam().kernel; }
};

struct KernelName {
  template <class Kernel>
  std::string operator()(const testing::TestParamInfo<KernelCase<Kernel>>& info) const {
    return info.param.name();
  }
};

}  // namespace a8w8::test
