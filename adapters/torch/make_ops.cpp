// Making checkpoint folders out of others, for Python: the work runs in a thread of the caller, who asks how far it is
// and may end it.
#include <torch/library.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "a8w8/make_checkpoint.h"
#include "a8w8/status.h"
#include "convert.h"

namespace a8w8::torch_adapter {
namespace {

struct Job {
  std::atomic<int64_t> done{0}, total{0};
  std::atomic<bool> cancelled{false};
};

// Jobs by number. Numbers are given out once; 0 is nobody's.
class Jobs {
 public:
  int64_t add() {
    const std::lock_guard lock(mutex_);
    jobs_[++last_] = std::make_shared<Job>();
    return last_;
  }
  std::shared_ptr<Job> find(int64_t number) {  // null if it has ended
    const std::lock_guard lock(mutex_);
    const auto it = jobs_.find(number);
    return it == jobs_.end() ? nullptr : it->second;
  }
  void remove(int64_t number) {
    const std::lock_guard lock(mutex_);
    jobs_.erase(number);
  }

 private:
  std::mutex mutex_;
  int64_t last_ = 0;
  std::map<int64_t, std::shared_ptr<Job>> jobs_;
};

Jobs& jobs() {
  static Jobs all;
  return all;
}

// Connects a call with its job, which ends with it.
class Running {
 public:
  explicit Running(int64_t number) : number_(number), job_(jobs().find(number)) {}
  ~Running() { jobs().remove(number_); }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  ProgressCallback callback() const {
    return [job = job_](const CheckpointProgress& progress) {
      if (job == nullptr) return;
      if (job->cancelled) throw Error(ErrorCode::kInvalidArgument, "the work was cancelled");
      job->done = progress.done_bytes;
      job->total = progress.total_bytes;
    };
  }

 private:
  int64_t number_;
  std::shared_ptr<Job> job_;
};

std::string quantize(std::string float_folder, std::string folder, std::string format, std::vector<std::string> skip,
                     int64_t max_part_bytes, int64_t num_threads, bool durable, int64_t job) {
  const Running running(job);
  QuantizeCheckpointOptions options;
  options.format = parse_format(format);
  options.skip = std::move(skip);
  options.max_part_bytes = max_part_bytes;
  options.num_threads = static_cast<int>(num_threads);
  options.durable = durable;
  options.progress = running.callback();
  const QuantizeCheckpointReport report = quantize_checkpoint(float_folder, folder, options);
  nlohmann::json kept = nlohmann::json::object();
  for (const KeptLayer& layer : report.kept) kept[layer.name] = layer.reason;
  return nlohmann::json{{"quantized", report.quantized},
                        {"kept", kept},
                        {"warnings", report.warnings},
                        {"read_bytes", report.read_bytes},
                        {"written_bytes", report.written_bytes}}
      .dump();
}

std::string convert(std::string source, std::string folder, std::string format, int64_t max_part_bytes,
                    int64_t num_threads, bool durable, int64_t job) {
  const Running running(job);
  ConvertCheckpointOptions options;
  options.format = parse_format(format);
  options.max_part_bytes = max_part_bytes;
  options.num_threads = static_cast<int>(num_threads);
  options.durable = durable;
  options.progress = running.callback();
  const ConvertCheckpointReport report = convert_checkpoint(source, folder, options);
  return nlohmann::json{{"source_format", format_name(report.from)},
                        {"format", format_name(report.to)},
                        {"dynamic_layers", report.dynamic_layers},
                        {"static_layers", report.static_layers},
                        {"losses", report.losses},
                        {"notes", report.notes},
                        {"written_bytes", report.written_bytes}}
      .dump();
}

std::vector<int64_t> job_progress(int64_t number) {
  const std::shared_ptr<Job> job = jobs().find(number);
  return job == nullptr ? std::vector<int64_t>{0, 0} : std::vector<int64_t>{job->done, job->total};
}

void cancel_job(int64_t number) {
  if (const std::shared_ptr<Job> job = jobs().find(number)) job->cancelled = true;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(a8w8, m) {
  m.def(
      "quantize_checkpoint(str float_folder, str folder, str format, str[] skip, "
      "int max_part_bytes=4294967296, int num_threads=0, bool durable=False, int job=0) -> str",
      quantize);
  m.def(
      "convert_checkpoint(str source, str folder, str format, int max_part_bytes=4294967296, int num_threads=0, bool "
      "durable=False, int job=0) -> str",
      convert);
  m.def("new_job() -> int", [] { return jobs().add(); });
  m.def("job_progress(int job) -> int[]", job_progress);
  m.def("cancel_job(int job) -> ()", cancel_job);
}

}  // namespace a8w8::torch_adapter
