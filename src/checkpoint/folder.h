// A folder of weights, whatever their format: which files are read, and the tensors in them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "a8w8/checkpoint.h"
#include "checkpoint/findings.h"
#include "checkpoint/tensor_table.h"

namespace a8w8::checkpoint {

struct Folder {
  std::string path;
  std::vector<std::string> entries;          // names of all that is in it, sorted
  std::map<std::string, std::string> index;  // tensor -> file; empty if there is no index
  std::vector<SafetensorsFile> files;        // those that could be read
  TensorTable table;
};

// The preferred entry among those that match, or else the only one; "" if none does. Several: Error(kCorrupt).
template <class Predicate>
std::string choose_entry(const Folder& folder, Predicate matches, std::string_view preferred);
std::string choose_entry(const Folder& folder, const std::vector<std::string>& matching, std::string_view preferred);

// What a format calls its files.
struct WeightNames {
  std::string_view index;    // preferred over other indexes
  std::string_view weights;  // without an index: the file to read; "" for a format that has no fixed name
  std::string_view prefix;   // of the format's files: if there are any, no others are read without an index; or ""
};

// Index and weights. What cannot be read becomes a finding, and reading goes on.
void read_weights(Folder& folder, const WeightNames& names, Findings& findings);

template <class Predicate>
std::string choose_entry(const Folder& folder, Predicate matches, std::string_view preferred) {
  std::vector<std::string> matching;
  for (const std::string& entry : folder.entries) {
    if (matches(entry)) matching.push_back(entry);
  }
  return choose_entry(folder, matching, preferred);
}

}  // namespace a8w8::checkpoint
