#include "support/kernel_cases.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>

namespace a8w8 {

#ifdef A8W8_EMULATED
namespace avx2_emulated {
extern const IsaTable kTable;
}
namespace avx_vnni_emulated {
extern const IsaTable kTable;
}
namespace avx512_vnni_emulated {
extern const IsaTable kTable;
}
namespace amx_int8_emulated {
extern const IsaTable kTable;
}
#endif

namespace test {
namespace {

std::map<std::string, bool>& ran_by_name() {
  static std::map<std::string, bool> ran;
  return ran;
}

class ReportKernels : public testing::Environment {
  void TearDown() override {
    for (const auto& [name, ran] : ran_by_name()) {
      std::printf("[ kernel   ] %-50s %s\n", name.c_str(), ran ? "ran" : "SKIPPED: not supported by this machine");
    }
  }
};
const testing::Environment* const kReport = testing::AddGlobalTestEnvironment(new ReportKernels);

IsaSet required_isas() {
  const char* names = std::getenv("A8W8_REQUIRE_ISA");
  std::istringstream list(names ? names : "");
  IsaSet required;
  for (std::string name; std::getline(list, name, ',');) required = required | parse_isa(name);
  return required;
}

}  // namespace

std::vector<TestTable> test_tables() {
  std::vector<TestTable> tables;
  for (const IsaTable* table : isa_tables()) tables.push_back({table, false});
#ifdef A8W8_EMULATED
  for (const IsaTable* table : {&amx_int8_emulated::kTable, &avx512_vnni_emulated::kTable, &avx_vnni_emulated::kTable,
                                &avx2_emulated::kTable}) {
    tables.push_back({table, true});
  }
#endif
  return tables;
}

bool may_run(const std::string& name, IsaSet needs) { return ran_by_name()[name] = supported_isas().contains(needs); }

bool is_required(IsaSet needs) { return required_isas().contains(needs); }

TEST(RequiredIsas, AreCompiledAndSupported) {
  EXPECT_TRUE(compiled_isas().contains(required_isas()))
      << "A8W8_REQUIRE_ISA names " << isa_names(required_isas()) << ", compiled are " << isa_names(compiled_isas());
  EXPECT_TRUE(supported_isas().contains(required_isas())) << "A8W8_REQUIRE_ISA names " << isa_names(required_isas())
                                                          << ", this machine has " << isa_names(supported_isas());
}

}  // namespace test
}  // namespace a8w8
