// Runs one layer of a checkpoint, msModelSlim's or compressed-tensors', on a float input: run_layer FOLDER LAYER
#include <cstdio>
#include <vector>

#include "a8w8/a8w8.h"

int main(int argc, char** argv) try {
  if (argc != 3) return std::fprintf(stderr, "usage: %s FOLDER LAYER\n", argv[0]), 2;
  const a8w8::Checkpoint checkpoint = a8w8::Checkpoint::open(argv[1]);  // maps the weights, copies nothing
  const auto layer = a8w8::QuantizedLinear::from_checkpoint(checkpoint, argv[2]);

  const int64_t m = 2, k = layer.in_features(), n = layer.out_features();
  std::vector<float> x(m * k), y(m * n);
  for (int64_t i = 0; i < m * k; ++i) x[i] = 0.01f * static_cast<float>(i % 100) - 0.5f;

  a8w8::ExecutionContext ctx;  // all cores; give it your own threads if you have a pool
  layer.forward({x.data(), a8w8::DType::kF32, {m, k}}, {y.data(), a8w8::DType::kF32, {m, n}}, ctx);

  std::printf("%s: %s, %lld x %lld, kernel %s\n", argv[2], checkpoint.quant_type(argv[2]).c_str(),
              static_cast<long long>(n), static_cast<long long>(k), a8w8::kernel_names(ctx.isas()).dot);
  for (int64_t j = 0; j < 4; ++j) std::printf("y[0, %lld] = %g\n", static_cast<long long>(j), y[j]);
  return 0;
} catch (const a8w8::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
