#include "checkpoint/checkpoint_output.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "a8w8/status.h"
#include "base/str_cat.h"
#include "checkpoint/atomic_file.h"
#include "checkpoint/file_util.h"
#include "checkpoint/json_text.h"
#include "checkpoint/mapped_file.h"
#include "checkpoint/msmodelslim_format.h"
#include "checkpoint/names.h"

namespace a8w8::checkpoint {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void refuse(const std::string& folder, const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, folder + ": " + what);
}

void check_plan(const std::vector<PlannedTensor>& plan, CheckpointFormat format, const std::string& folder) {
  std::unordered_set<std::string_view> seen;
  for (const PlannedTensor& tensor : plan) {
    check_writable(tensor.name, tensor.sizes, tensor.dtype, folder);
    const std::string where = "tensor " + quote(tensor.name);
    if (!seen.insert(tensor.name).second) refuse(folder, where + " is given twice");
    if (tensor.quant_type.empty()) refuse(folder, where + " has an empty quant_type");
    if (format == CheckpointFormat::kMsModelSlim && is_model_key(tensor.name))
      refuse(folder, where + ": the description reserves this name");
  }
}

void check_options(const CheckpointWriteOptions& options, const std::string& folder) {
  if (options.format == CheckpointFormat::kFloat) refuse(folder, "format float is not one that quantized models have");
  if (options.max_part_bytes < 1)
    refuse(folder, str_cat("max_part_bytes is ", options.max_part_bytes, ", not at least 1"));
  std::unordered_set<std::string_view> seen;
  for (const auto& [name, contents] : options.extra_files) {
    const std::string where = "extra file " + quote(name);
    if (!is_plain_file_name(name)) refuse(folder, where + " is not a plain file name");
    if (name.ends_with(kWeightsSuffix) || name.ends_with(kIndexSuffix) || is_description_file(name)) {
      refuse(folder, where + " would be taken for a part of the checkpoint");
    }
    if (!seen.insert(name).second) refuse(folder, where + " is given twice");
  }
  if (options.format == CheckpointFormat::kCompressedTensors && !seen.contains(kConfigFile)) {
    refuse(folder, "a compressed-tensors checkpoint needs config.json among the extra files: its scheme stands there");
  }
}

// Whether there is something to replace.
bool check_replaceable(const std::string& folder) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(folder, error))) return false;
  if (!fs::is_directory(folder, error)) refuse(folder, "exists and is not a folder");
  const std::vector<std::string> entries = folder_entries(folder);
  if (entries.empty()) return false;
  const bool has_config = std::binary_search(entries.begin(), entries.end(), kConfigFile);
  if (std::any_of(entries.begin(), entries.end(), is_description_file) ||
      (has_config && is_quantized_config(folder + "/" + std::string(kConfigFile)))) {
    return true;
  }
  refuse(folder,
         "exists and is not an msModelSlim or compressed-tensors checkpoint (it has files, but no "
         "quant_model_description*.json, and no config.json with such a quantization_config); it is not overwritten");
}

}  // namespace

std::string resolved_target(const std::string& folder) {
  std::error_code error;
  fs::path path = fs::weakly_canonical(folder, error);
  if (error) throw_write_error(folder, "resolve the path", error.value());
  if (!path.has_filename()) path = path.parent_path();
  if (!path.has_filename())
    throw Error(ErrorCode::kInvalidArgument, quote(folder) + " does not name a folder to write");
  return path.string();
}

CheckpointOutput::CheckpointOutput(const std::string& folder, std::vector<PlannedTensor> plan,
                                   CheckpointWriteOptions options)
    : plan_(std::move(plan)), options_(std::move(options)) {
  check_plan(plan_, options_.format, folder);
  check_options(options_, folder);
  for (auto& [name, contents] : options_.extra_files) {
    if (options_.format == CheckpointFormat::kCompressedTensors && name == kConfigFile)
      contents = add_quantization_config(contents, plan_, folder + "/" + name);
  }
  target_ = resolved_target(folder);
  // What is replaced is removed, so the new one must be safe by then.
  durable_ = options_.durable || check_replaceable(target_);
  for (const PlannedTensor& tensor : plan_) {
    if (__builtin_add_overflow(bytes_, checked_bytes(tensor.sizes, tensor.dtype), &bytes_))
      refuse(folder, "the tensors take more than 2^63 bytes");
  }
  output_ = std::make_unique<AtomicFolder>(target_);
  require_room();
  split();
}

// A checkpoint takes minutes to write, and a full disk is better known at their beginning.
void CheckpointOutput::require_room() const {
  struct statvfs info;
  if (::statvfs(output_->path().c_str(), &info) != 0 || info.f_blocks == 0) return;  // the disk does not tell
  const double room = static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize);
  if (static_cast<double>(bytes_) <= room) return;
  throw Error(ErrorCode::kIo, str_cat(target_, ": cannot write: No space left on device: ", bytes_,
                                      " bytes are needed, ", static_cast<int64_t>(room), " are free"));
}

// Filled in the given order, which keeps layers together. Within a part wide dtypes come first, which keeps every
// tensor aligned where it lies.
void CheckpointOutput::split() {
  std::vector<std::vector<size_t>> members(1);
  int64_t room = options_.max_part_bytes;
  for (size_t i = 0; i < plan_.size(); ++i) {
    const int64_t bytes = checked_bytes(plan_[i].sizes, plan_[i].dtype);
    if (bytes > room && !members.back().empty()) {
      members.emplace_back();
      room = options_.max_part_bytes;
    }
    room -= std::min(bytes, room);
    members.back().push_back(i);
  }
  part_of_.resize(plan_.size());
  entry_of_.resize(plan_.size());
  Metadata metadata;
  if (options_.format == CheckpointFormat::kCompressedTensors)
    metadata = {{"format", "pt"}};  // Hugging Face's readers ask for it
  for (size_t part = 0; part < members.size(); ++part) {
    std::stable_sort(members[part].begin(), members[part].end(),
                     [this](size_t a, size_t b) { return dtype_size(plan_[a].dtype) > dtype_size(plan_[b].dtype); });
    std::vector<SafetensorsEntry> entries;
    for (const size_t i : members[part]) {
      part_of_[i] = part;
      entry_of_[i] = entries.size();
      entries.push_back({plan_[i].name, plan_[i].dtype, plan_[i].sizes});
    }
    const std::string path = output_->path() + "/" + part_name(options_.format, part + 1, members.size());
    parts_.push_back(
        std::make_unique<PartFile>(path, lay_out_safetensors(std::move(entries), metadata, target_), durable_));
  }
}

void CheckpointOutput::write(size_t index, int64_t offset, const void* data, size_t bytes) {
  parts_[part_of_[index]]->write(entry_of_[index], offset, data, bytes);
}

void CheckpointOutput::copy_file(const std::string& path, const std::string& name) {
  const MappedFile from(path);
  AtomicFile to(output_->path() + "/" + name);
  if (from.size() > 0) to.write(from.data(), static_cast<size_t>(from.size()));
  to.commit(durable_);
}

void CheckpointOutput::require_readable() const {
  try {
    Checkpoint::open(output_->path());
  } catch (const Error& error) {
    std::string message = error.what();  // of the hidden folder, of which nobody else knows
    for (size_t at; (at = message.find(output_->path())) != std::string::npos;)
      message.replace(at, output_->path().size(), target_);
    throw Error(ErrorCode::kInvalidArgument, message);
  }
}

void CheckpointOutput::commit(bool check_readable) {
  for (const auto& part : parts_) part->finish();
  const auto put = [this](std::string_view name, const std::string& contents) {
    write_file_atomically(output_->path() + "/" + std::string(name), contents, durable_);
  };
  const CheckpointFormat format = options_.format;
  if (format == CheckpointFormat::kMsModelSlim) put(kDescriptionFile, description_json(plan_));
  if (format == CheckpointFormat::kMsModelSlim || parts_.size() > 1)
    put(index_name(format), index_json(format, plan_, part_of_, parts_.size()));
  for (const auto& [name, contents] : options_.extra_files) put(name, contents);
  if (check_readable) require_readable();
  check_replaceable(target_);  // again: writing takes long, and others may have used the name meanwhile
  output_->commit(durable_);
}

}  // namespace a8w8::checkpoint
