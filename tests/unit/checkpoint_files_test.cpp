// Files and folders that appear whole or not at all: on a full disk, over something that exists, step by step.
#include "support/checkpoint_files.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "a8w8/checkpoint.h"
#include "checkpoint/atomic_file.h"
#include "checkpoint/atomic_folder.h"
#include "checkpoint/file_util.h"
#include "checkpoint/names.h"

namespace a8w8::checkpoint {
namespace {

namespace fs = std::filesystem;
using ::a8w8::testing::entries_of;
using ::a8w8::testing::expect_error;
using ::a8w8::testing::FileSizeLimit;
using ::a8w8::testing::read_bytes;
using ::a8w8::testing::TempFolder;
using ::a8w8::testing::write_bytes;
using Names = std::set<std::string>;

TEST(CheckpointAtomicFile, IsNotThereBeforeCommit) {
  const TempFolder folder;
  {
    AtomicFile file(folder / "f");
    file.write("new", 3);
    EXPECT_FALSE(fs::exists(folder / "f"));
    file.commit();
  }
  EXPECT_EQ(read_bytes(folder / "f"), "new");
  EXPECT_EQ(entries_of(folder.path()), Names{"f"});
}

TEST(CheckpointAtomicFile, WithoutCommitNothingChanges) {
  const TempFolder folder;
  write_bytes(folder / "f", "old");
  {
    AtomicFile file(folder / "f");
    file.write(std::string(3'000'000, 'x').data(), 3'000'000);
  }
  EXPECT_EQ(read_bytes(folder / "f"), "old");
  EXPECT_EQ(entries_of(folder.path()), Names{"f"});
}

TEST(CheckpointAtomicFile, SmallAndLargeWritesKeepTheirOrder) {
  const TempFolder folder;
  const std::string big(2'500'000, 'b');
  std::string expected;
  AtomicFile file(folder / "f");
  for (int i = 0; i < 3; ++i) {
    file.write("small", 5);
    file.write(big.data(), big.size());
    file.write(nullptr, 0);
    expected += "small" + big;
  }
  file.commit();
  EXPECT_TRUE(read_bytes(folder / "f") == expected);
}

TEST(CheckpointAtomicFile, ReportsAbsentFoldersAndFoldersInTheWay) {
  const TempFolder folder;
  expect_error(ErrorCode::kIo, {folder / "none/f", "No such file"},
               [&] { write_file_atomically(folder / "none/f", "x"); });
  fs::create_directory(folder / "d");
  expect_error(ErrorCode::kIo, {folder / "d", "directory"}, [&] { write_file_atomically(folder / "d", "x"); });
  EXPECT_EQ(entries_of(folder.path()), Names{"d"});
}

TEST(CheckpointAtomicFile, LongNamesStayLegal) {
  const TempFolder folder;
  const std::string name(255, 'n');
  write_file_atomically(folder / name, "x");
  EXPECT_EQ(entries_of(folder.path()), Names{name});
}

TEST(CheckpointFullDisk, SafetensorsLeaveThePreviousFileAndNothingElse) {
  const TempFolder folder;
  const std::string path = folder / "t.safetensors";
  const std::vector<int8_t> values(3'000'000, 5);
  const auto view = [&values](int64_t n) { return ConstTensorView(values.data(), DType::kI8, {n}); };
  write_safetensors(path, {{"old", view(10)}});
  const std::string before = read_bytes(path);
  // Below and above the size of the buffer, so that both the write in passing and the one at the end meet the limit.
  for (const int64_t n : {int64_t{300'000}, int64_t{3'000'000}}) {
    const FileSizeLimit limit(100'000);
    expect_error(ErrorCode::kIo, {path, "cannot write", "File too large"}, [&] {
      write_safetensors(path, {{"new", view(n)}});
    });
    EXPECT_EQ(entries_of(folder.path()), Names{"t.safetensors"});
    EXPECT_EQ(read_bytes(path), before);
  }
  write_safetensors(path, {{"new", view(3'000'000)}});
  EXPECT_EQ(SafetensorsFile::open(path).tensors()[0].name, "new");
}

TEST(CheckpointAtomicFolder, AppearsOnCommitAndReplacesWhatWasThere) {
  const TempFolder folder;
  for (const std::string content : {"first", "second"}) {
    AtomicFolder output(folder / "out");
    write_bytes(output.path() + "/" + content, content);
    EXPECT_FALSE(fs::exists((folder / "out") + "/" + content));
    output.commit();
    EXPECT_EQ(entries_of(folder / "out"), Names{content});
    EXPECT_EQ(entries_of(folder.path()), Names{"out"});
  }
}

TEST(CheckpointAtomicFolder, WithoutCommitNothingChanges) {
  const TempFolder folder;
  {
    AtomicFolder output(folder / "out");
    write_bytes(output.path() + "/file", "x");
  }
  EXPECT_TRUE(entries_of(folder.path()).empty());
  expect_error(ErrorCode::kIo, {folder / "none/out", "No such file"}, [&] { AtomicFolder(folder / "none/out"); });
}

// A process that is killed cannot clean up; the next one with the same target does, but not while the first one lives.
TEST(CheckpointAtomicFolder, TheNextOneRemovesWhatAKilledOneLeft) {
  const TempFolder folder;
  const std::string out = folder / "out";
  int to_parent[2];
  ASSERT_EQ(::pipe(to_parent), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    AtomicFolder output(out);
    write_bytes(output.path() + "/half", "x");
    (void)!::write(to_parent[1], "!", 1);
    ::pause();  // until killed
    ::_exit(0);
  }
  char ready = 0;
  ASSERT_EQ(::read(to_parent[0], &ready, 1), 1);
  fs::create_directory(folder / ".out.tmp-x-0");    // not of our making
  fs::create_directory(folder / ".other.tmp-1-0");  // another target's
  { const AtomicFolder beside(out); }
  EXPECT_EQ(entries_of(folder.path()).size(), 3u) << "the other one lives, so its folder stays";
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(entries_of(folder.path()).size(), 3u);
  { const AtomicFolder next(out); }
  EXPECT_EQ(entries_of(folder.path()), (Names{".out.tmp-x-0", ".other.tmp-1-0"}));
  ::close(to_parent[0]);
  ::close(to_parent[1]);
}

// The way of file systems that cannot exchange two folders in one step.
TEST(CheckpointAtomicFolder, ExchangesByRenaming) {
  const TempFolder folder;
  fs::create_directory(folder / "a");
  fs::create_directory(folder / "b");
  write_bytes(folder / "a/was_a", "");
  write_bytes(folder / "b/was_b", "");
  exchange_by_renaming(folder / "a", folder / "b");
  EXPECT_EQ(entries_of(folder / "a"), Names{"was_b"});
  EXPECT_EQ(entries_of(folder / "b"), Names{"was_a"});
  EXPECT_EQ(entries_of(folder.path()), (Names{"a", "b"}));
}

TEST(CheckpointAtomicFolder, AFailedExchangePutsTheOldFolderBack) {
  const TempFolder folder;
  fs::create_directory(folder / "b");
  write_bytes(folder / "b/was_b", "");
  expect_error(ErrorCode::kIo, {folder / "b", "cannot replace"},
               [&] { exchange_by_renaming(folder / "none", folder / "b"); });
  EXPECT_EQ(entries_of(folder.path()), Names{"b"});
  EXPECT_EQ(entries_of(folder / "b"), Names{"was_b"});
}

TEST(CheckpointNames, PlainFileNamesStayInTheirFolder) {
  for (const char* name : {"a", "a.safetensors", "..a", ".hidden", "层"}) EXPECT_TRUE(is_plain_file_name(name)) << name;
  for (const char* name : {"", ".", "..", "a/b", "/a", "../a", "a/", "a\\b"})
    EXPECT_FALSE(is_plain_file_name(name)) << name;
  EXPECT_FALSE(is_plain_file_name(std::string_view("a\0b", 3)));
}

TEST(CheckpointNames, NearNamesAreFewAndNear) {
  const std::vector<std::string_view> known = {"a.fc1.weight", "a.fc2.weight", "b.norm.bias"};
  EXPECT_EQ(near_names("a.fc1.wieght", known), "; near it: \"a.fc1.weight\", \"a.fc2.weight\"");
  EXPECT_EQ(near_names("a.fc1", known), "; near it: \"a.fc1.weight\"");
  EXPECT_EQ(near_names("zzz", known), "");
  EXPECT_EQ(near_names(std::string(100'000, 'a'), known), "");
}

}  // namespace
}  // namespace a8w8::checkpoint
