// a8w8 bench: speeds, beside what the machine can do. Each kind of benchmark is a row of kKinds and a function that
// makes the cases of one shape.
#include <memory>

#include "a8w8/status.h"
#include "cli/bench_run.h"
#include "cli/command.h"
#include "cli/gemm_cases.h"
#include "cli/linear_cases.h"
#include "cli/operands.h"

namespace a8w8::cli {
namespace {

struct Options : BenchOptions {
  std::vector<std::string> shapes;
  std::string suite;
  std::string weights = "stored";
  bool cold = false, bias = false;
  std::string out = "bf16", in = "bf16";
  int64_t batch = 1;
};

constexpr int64_t kMaxColdRows = 8;  // in suites: with more rows the product takes longer than the weight does to come

constexpr int64_t kMinColdBytes = 64 << 10;  // of smaller weights it would take too many copies to fill the caches

std::vector<std::string> forms(const Options& o) {
  return o.weights == "both" ? std::vector<std::string>{"stored", "packed"} : std::vector<std::string>{o.weights};
}

GemmSpec spec_of(const Shape& shape, const Options& o) {
  return {.shape = shape, .out = parse_dtype(o.out), .bias = o.bias};
}

Group gemm_group(const Shape& shape, const Options& o, Contexts& contexts) {
  Group group;
  const auto operands = std::make_shared<GemmOperands>(spec_of(shape, o));
  const bool cold = o.cold && (o.suite.empty() || shape.m <= kMaxColdRows);
  if (cold && shape.n * shape.k < kMinColdBytes) {
    throw Error(ErrorCode::kInvalidArgument, "--cold: the weight of shape " + shape.str() + " is smaller than 64 KB");
  }
  for (const std::string& form : forms(o)) {
    add_gemm_cases(group, operands, form, false, o.threads, contexts);
    if (cold) add_gemm_cases(group, operands, form, true, o.threads, contexts);
  }
  return group;
}

Group linear_group(const Shape& shape, const Options& o, Contexts& contexts) {
  Group group;
  add_gemm_cases(group, std::make_shared<GemmOperands>(GemmSpec{.shape = shape}), "stored", false, o.threads, contexts);
  add_linear_cases(group, shape, parse_dtype(o.in), o.threads, 0, contexts);
  return group;
}

// For each number of threads: the first of `specs`, and the others compared with it.
Group compared_group(const std::vector<GemmSpec>& specs, const Options& o, Contexts& contexts) {
  Group group;
  for (const GemmSpec& spec : specs) {
    add_gemm_cases(group, std::make_shared<GemmOperands>(spec), "stored", false, o.threads, contexts);
  }
  const size_t each = o.threads.size();
  for (size_t i = each; i < group.size(); ++i) group[i].baseline = i % each;
  return group;
}

Group outputs_group(const Shape& shape, const Options& o, Contexts& contexts) {
  std::vector<GemmSpec> specs;
  for (const DType out : {DType::kBF16, DType::kF16, DType::kI32, DType::kI8}) {
    specs.push_back({.shape = shape, .out = out});
  }
  return compared_group(specs, o, contexts);
}

Group int4_group(const Shape& shape, const Options& o, Contexts& contexts) {
  return compared_group({{.shape = shape}, {.shape = shape, .int4 = true}}, o, contexts);
}

// Alone, or a batch of it: one thread, and the others compared with it.
Group scaling_group(const Shape& shape, const Options& o, Contexts& contexts) {
  GemmSpec spec = spec_of(shape, o);
  spec.batch = o.batch;
  std::vector<int> threads = o.threads;
  std::erase(threads, 1);
  threads.insert(threads.begin(), 1);
  Group group;
  add_gemm_cases(group, std::make_shared<GemmOperands>(spec), "stored", false, threads, contexts);
  for (size_t i = 1; i < group.size(); ++i) group[i].baseline = 0;
  return group;
}

enum Takes : unsigned { kWeights = 1, kOutput = 2, kBatch = 4, kInput = 8 };  // options

struct Kind {
  const char* name;
  const char* help;
  unsigned takes;
  std::vector<Shape> shapes;  // empty: the suite "quick"
  Group (*make)(const Shape&, const Options&, Contexts&);
};

const Kind kKinds[] = {
    {"gemm", "the int8 product: weights stored or packed, warm or cold", kWeights | kOutput, {}, gemm_group},
    {"linear", "float in, float out, beside the product", kInput, {{1, 4096, 4096}, {128, 4096, 4096}}, linear_group},
    {"outputs", "each dtype of the result beside bf16", 0, {{1, 4096, 4096}, {128, 4096, 4096}}, outputs_group},
    {"int4", "int4 operands beside int8", 0, {{1, 4096, 4096}, {64, 4096, 4096}, {512, 4096, 4096}}, int4_group},
    {"scaling", "threads beside one thread", kOutput, {{64, 1024, 4096}, {512, 4096, 4096}}, scaling_group},
    {"batch",
     "batches of small products: threads beside one thread",
     kOutput | kBatch,
     {{32, 64, 64}, {128, 64, 128}},
     scaling_group},
    {"overhead", "a product too small to matter: what a call costs", kWeights | kOutput, {{1, 64, 64}}, gemm_group},
};

std::vector<Shape> shapes_of(const Kind& kind, const Options& o) {
  std::vector<Shape> shapes;
  for (const std::string& text : o.shapes) shapes.push_back(parse_shape(text));
  if (!o.suite.empty()) shapes = suite_shapes(o.suite);
  if (shapes.empty()) shapes = kind.shapes.empty() ? suite_shapes("quick") : kind.shapes;
  return shapes;
}

int bench(const Kind& kind, Options options) {
  if (options.threads.empty()) options.threads = {ExecutionContext().num_threads()};
  if (options.suite.empty() && options.shapes.empty() && kind.shapes.empty()) options.suite = "quick";
  Contexts contexts;
  std::vector<MakeGroup> groups;
  for (const Shape& shape : shapes_of(kind, options)) {
    groups.push_back([&, shape] { return kind.make(shape, options, contexts); });
  }
  return run_bench(groups, options, contexts);
}

void add_options(CLI::App& app, const Kind& kind, Options& o) {
  const auto shape = app.add_option("--shape", o.shapes, "m,n,k; any number of them");
  app.add_option("--suite", o.suite, "shapes by name")->check(CLI::IsMember(suite_names()))->excludes(shape);
  app.add_option("--threads", o.threads, "numbers of threads (default: A8W8_NUM_THREADS or all cores)")
      ->check(CLI::Range(1, 4096));
  app.add_option("--seconds", o.timing.seconds, "time for each row, about")
      ->check(CLI::Range(0.0, 60.0))
      ->capture_default_str();
  app.add_option("--json", o.json_file, "write the results to this file; - prints them instead of the table");
  if (kind.takes & kWeights) {
    app.add_option("--weights", o.weights, "stored, packed or both")
        ->check(CLI::IsMember({"stored", "packed", "both"}))
        ->capture_default_str();
    app.add_flag("--cold", o.cold, "also with weights that are in no cache; of a suite where m <= 8");
  }
  if (kind.takes & kOutput) {
    app.add_option("--out", o.out, "dtype of the result")
        ->check(CLI::IsMember({"bf16", "f16", "i8", "i32"}))
        ->capture_default_str();
    app.add_flag("--bias", o.bias, "add a bias");
  }
  if (kind.takes & kBatch) {
    o.batch = 64;
    app.add_option("--batch", o.batch, "products in a batch")->check(CLI::Range(1, 1 << 20))->capture_default_str();
  }
  if (kind.takes & kInput) {
    app.add_option("--in", o.in, "dtype of input and result")
        ->check(CLI::IsMember({"bf16", "f16", "f32"}))
        ->capture_default_str();
  }
}

}  // namespace

void add_bench(CLI::App& app, Action& action) {
  CLI::App* verb =
      app.add_subcommand("bench", "measures speeds beside the machine's limits; each answer is checked first");
  verb->require_subcommand(1);
  for (const Kind& kind : kKinds) {
    CLI::App* sub = verb->add_subcommand(kind.name, kind.help);
    const auto options = std::make_shared<Options>();
    add_options(*sub, kind, *options);
    sub->callback([=, &kind, &action] { action = [=, &kind] { return bench(kind, *options); }; });
  }
}

}  // namespace a8w8::cli
