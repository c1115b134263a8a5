// Sizes of the caches, from this machine and from invented ones.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "cpu/cache_info.h"

namespace a8w8 {
namespace {

namespace fs = std::filesystem;

class CacheFolderTest : public ::testing::Test {
 protected:
  CacheFolderTest() : folder_(fs::path(::testing::TempDir()) / "a8w8_cache_info") { fs::remove_all(folder_); }
  ~CacheFolderTest() override { fs::remove_all(folder_); }

  void add(int index, const std::string& level, const std::string& type, const std::string& size) {
    const fs::path at = folder_ / ("index" + std::to_string(index));
    fs::create_directories(at);
    std::ofstream(at / "level") << level << "\n";
    std::ofstream(at / "type") << type << "\n";
    std::ofstream(at / "size") << size << "\n";
  }
  CacheSizes read() const { return read_cache_folder(folder_.string()); }

 private:
  fs::path folder_;
};

TEST(CacheSizes, ArePlausibleHere) {
  const CacheSizes& c = cache_sizes();
  EXPECT_GE(c.l1d, 4 << 10);
  EXPECT_GE(c.l2, c.l1d);
  EXPECT_GE(c.l3, c.l2);
  EXPECT_LE(c.l3, int64_t{4} << 30);
}

TEST_F(CacheFolderTest, TellsLevelsApartAndLeavesOutInstructions) {
  add(0, "1", "Data", "48K");
  add(1, "1", "Instruction", "32K");
  add(2, "2", "Unified", "2048K");
  add(3, "3", "Unified", "105M");
  EXPECT_EQ(read().l1d, 48 << 10);
  EXPECT_EQ(read().l2, 2 << 20);
  EXPECT_EQ(read().l3, 105 << 20);
}

TEST_F(CacheFolderTest, WhatIsNotThereOrNotASizeIsZero) {
  EXPECT_EQ(read().l1d, 0);
  add(0, "1", "Data", "lots");
  add(1, "2", "Unified", "1024K");
  EXPECT_EQ(read().l1d, 0);
  EXPECT_EQ(read().l2, 1 << 20);
  EXPECT_EQ(read().l3, 0);
}

}  // namespace
}  // namespace a8w8
