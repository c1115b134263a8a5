// a8w8 layer: one quantized layer of a checkpoint, run on a float input.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>

#include "a8w8/checkpoint.h"
#include "a8w8/context.h"
#include "a8w8/half.h"
#include "a8w8/linear.h"
#include "a8w8/status.h"
#include "cli/command.h"
#include "cli/terminal.h"

namespace a8w8::cli {
namespace {

constexpr int64_t kMaxShown = 8;

struct LayerRun {
  std::string folder, layer, input, dtype = "float32", parity = "exact", mix = "dynamic";
  int64_t rows = 4;
  uint64_t seed = 0;
  bool as_json = false;
};

// Rows of numbers of a float dtype, with their storage.
struct Values {
  std::vector<std::byte> bytes;
  SafetensorsFile file;  // where the bytes are, if they are a tensor of a file
  ConstTensorView view;
};

DType dtype_named(const std::string& name) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    if (name == dtype_name(dtype)) return dtype;
  }
  throw Error(ErrorCode::kInvalidArgument, "--dtype is " + name + ", but must be float32, bfloat16 or float16");
}

float read(const ConstTensorView& view, int64_t i) {
  if (view.dtype == DType::kF32) return static_cast<const float*>(view.data)[i];
  const uint16_t bits = static_cast<const uint16_t*>(view.data)[i];
  return view.dtype == DType::kBF16 ? bfloat16_to_float(bits) : half_to_float(bits);
}

Values from_floats(const std::vector<float>& numbers, DType dtype, const Dims& sizes) {
  Values values;
  values.bytes.resize(numbers.size() * dtype_size(dtype));
  for (size_t i = 0; i < numbers.size(); ++i) {
    const uint16_t half = dtype == DType::kBF16 ? float_to_bfloat16(numbers[i]) : float_to_half(numbers[i]);
    const void* from = dtype == DType::kF32 ? static_cast<const void*>(&numbers[i]) : &half;
    std::memcpy(values.bytes.data() + i * dtype_size(dtype), from, dtype_size(dtype));
  }
  values.view = ConstTensorView(values.bytes.data(), dtype, sizes);
  return values;
}

Values random_input(const LayerRun& run, int64_t k) {
  std::mt19937_64 generator(run.seed);
  std::normal_distribution<float> normal;
  std::vector<float> numbers(static_cast<size_t>(run.rows * k));
  for (float& number : numbers) number = normal(generator);
  return from_floats(numbers, dtype_named(run.dtype), {run.rows, k});
}

Values read_input(const std::string& place, int64_t k) {
  const size_t colon = place.rfind(':');
  if (colon == place.npos || colon == 0 || colon + 1 == place.size()) {
    throw Error(ErrorCode::kInvalidArgument, "--input is " + place + ", but must be FILE.safetensors:TENSOR");
  }
  Values values;
  values.file = SafetensorsFile::open(place.substr(0, colon));
  values.view = values.file.tensor(place.substr(colon + 1));
  if (!is_floating(values.view.dtype) || values.view.rank() < 1 || values.view.sizes[-1] != k) {
    throw Error(ErrorCode::kInvalidArgument, place + ": is " + dtype_name(values.view.dtype) + " of shape " +
                                                 values.view.sizes.str() + ", but must be float of shape (..., " +
                                                 std::to_string(k) + ")");
  }
  return values;
}

nlohmann::json summary(const ConstTensorView& view) {
  double sum = 0, squares = 0, least = INFINITY, most = -INFINITY;
  for (int64_t i = 0; i < view.numel(); ++i) {
    const double x = read(view, i);
    sum += x, squares += x * x, least = std::fmin(least, x), most = std::fmax(most, x);
  }
  const double count = static_cast<double>(std::max<int64_t>(view.numel(), 1));
  return {{"dtype", dtype_name(view.dtype)},
          {"shape", std::vector<int64_t>(view.sizes.begin(), view.sizes.end())},
          {"min", least},
          {"max", most},
          {"mean", sum / count},
          {"rms", std::sqrt(squares / count)}};
}

void print_summary(const char* what, const nlohmann::json& s, const Dims& sizes) {
  std::printf("%-8s%s %s, from %g to %g, mean %g, rms %g\n", what, s["dtype"].get<std::string>().c_str(),
              sizes.str().c_str(), s["min"].get<double>(), s["max"].get<double>(), s["mean"].get<double>(),
              s["rms"].get<double>());
}

int run_layer(const LayerRun& run) {
  LayerOptions options;
  options.parity = run.parity == "exact" ? Parity::kExact : Parity::kVllmAscend;
  options.mix = run.mix == "static" ? LayerScheme::kStatic : LayerScheme::kDynamic;
  const Checkpoint checkpoint = Checkpoint::open(run.folder);
  const auto layer = QuantizedLinear::from_checkpoint(checkpoint, run.layer, options);
  const int64_t k = layer.in_features(), n = layer.out_features();
  const Values x = run.input.empty() ? random_input(run, k) : read_input(run.input, k);
  const TensorDesc desc = layer.infer(x.view);
  std::vector<std::byte> bytes(static_cast<size_t>(desc.bytes()));
  const TensorView y(bytes.data(), desc.dtype, desc.sizes);

  ExecutionContext ctx;
  const auto start = std::chrono::steady_clock::now();
  layer.forward(x.view, y, ctx);
  const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;

  nlohmann::json result = {{"layer", run.layer},
                           {"quant_type", checkpoint.quant_type(run.layer)},
                           {"n", n},
                           {"k", k},
                           {"parity", run.parity},
                           {"milliseconds", time.count()},
                           {"input", summary(x.view)},
                           {"output", summary(y)},
                           {"first", nlohmann::json::array()}};
  for (int64_t i = 0; i < std::min(kMaxShown, y.numel()); ++i) result["first"].push_back(read(y, i));
  if (run.as_json) return std::puts(result.dump(2).c_str()), kOk;
  std::printf("%s: %s, n = %lld, k = %lld\n", run.layer.c_str(), checkpoint.quant_type(run.layer).c_str(),
              static_cast<long long>(n), static_cast<long long>(k));
  print_summary("input", result["input"], x.view.sizes);
  print_summary("output", result["output"], y.sizes);
  std::printf("first   ");
  for (const auto& value : result["first"]) std::printf("%g ", value.get<double>());
  std::printf("\ntime    %s ms, the first call\n", format_figure(time.count()).c_str());
  return kOk;
}

}  // namespace

void add_layer(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand("layer", "Runs one quantized layer of a checkpoint on a float input");
  const auto run = std::make_shared<LayerRun>();
  verb->add_option("folder", run->folder, "msModelSlim's or compressed-tensors' checkpoint")->required();
  verb->add_option("layer", run->layer, "its name, for instance model.layers.0.mlp.down_proj")->required();
  CLI::Option* input = verb->add_option("--input", run->input, "FILE.safetensors:TENSOR, float (..., k); else random");
  verb->add_option("--rows", run->rows, "of the random input")
      ->check(CLI::Range(1, 1 << 20))
      ->excludes(input)
      ->capture_default_str();
  verb->add_option("--seed", run->seed, "of the random input")->excludes(input)->capture_default_str();
  verb->add_option("--dtype", run->dtype, "of the random input")
      ->check(CLI::IsMember({"float32", "bfloat16", "float16"}))
      ->excludes(input)
      ->capture_default_str();
  verb->add_option("--parity", run->parity, "exact, or with vLLM-Ascend's roundings")
      ->check(CLI::IsMember({"exact", "vllm-ascend"}))
      ->capture_default_str();
  verb->add_option("--mix", run->mix, "the side of a W8A8_MIX layer")
      ->check(CLI::IsMember({"dynamic", "static"}))
      ->capture_default_str();
  verb->add_flag("--json", run->as_json, "print JSON");
  verb->callback([=, &action] { action = [=] { return run_layer(*run); }; });
}

}  // namespace a8w8::cli
