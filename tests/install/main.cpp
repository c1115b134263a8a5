// One layer through the installed headers and library, against numbers worked out by hand.
#include <a8w8/a8w8.h>

#include <cstdint>
#include <cstdio>
#include <vector>

int main() {
  using a8w8::DType;
  // x @ w.T = [[1*1 + 2*3, 1*2 - 2*4], [-3*1 + 4*3, -3*2 - 4*4]] = [[7, -6], [9, -22]], times the scale {2, 0.5}.
  const std::vector<int8_t> x = {1, 2, -3, 4}, w = {1, 3, 2, -4};
  const std::vector<float> scale = {2.0f, 0.5f};
  // [[14, -3], [18, -11]] as bfloat16: the upper halves of the float32 words 0x41600000, 0xC0400000, ...
  const std::vector<uint16_t> expected = {0x4160, 0xC040, 0x4190, 0xC130};

  a8w8::LinearA8W8Quant layer;
  layer.weight = {w.data(), DType::kI8, {2, 2}};
  layer.scale = {scale.data(), DType::kF32, {2}};
  layer.output_dtype = DType::kBF16;

  std::vector<uint16_t> y(4);
  a8w8::ExecutionContext ctx;
  try {
    layer.forward({x.data(), DType::kI8, {2, 2}}, {y.data(), DType::kBF16, {2, 2}}, ctx);
  } catch (const a8w8::Error& error) {
    std::fprintf(stderr, "consumer: %s\n", error.what());
    return 1;
  }
  if (y != expected) {
    std::fprintf(stderr, "consumer: got %04x %04x %04x %04x\n", y[0], y[1], y[2], y[3]);
    return 1;
  }
  std::printf("consumer: the installed library works (%s)\n", a8w8::isa_names(a8w8::usable_isas()).c_str());
  return 0;
}
