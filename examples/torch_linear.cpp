// Runs one layer of an msModelSlim checkpoint (scheme W8A8) as a LibTorch module:
//   torch_linear FOLDER LAYER [INPUT OUTPUT [MODULE]]
// INPUT is an int8 tensor written by Python's torch.save; OUTPUT is bfloat16, for torch.load. MODULE is where to save
// the module: ::torch::load reads it into a LinearQuant in C++, torch.jit.load in Python.
#include <ATen/ops/from_blob.h>
#include <ATen/ops/randint.h>
#include <torch/serialize.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "a8w8/checkpoint.h"
#include "a8w8/torch/linear_quant.h"

namespace {

at::ScalarType scalar_type(a8w8::DType dtype) {
  switch (dtype) {
    case a8w8::DType::kI8:
      return at::kChar;
    case a8w8::DType::kI32:
      return at::kInt;
    case a8w8::DType::kI64:
      return at::kLong;
    case a8w8::DType::kF32:
      return at::kFloat;
    default:
      TORCH_CHECK(false, "unexpected dtype ", a8w8::dtype_name(dtype));
  }
}

// A tensor over the bytes of the file, no copy. It keeps the checkpoint mapped as long as it lives.
at::Tensor as_tensor(const a8w8::Checkpoint& checkpoint, const std::string& name) {
  const a8w8::ConstTensorView view = checkpoint.tensor(name);
  return at::from_blob(
      const_cast<void*>(view.data), at::IntArrayRef(view.sizes.begin(), view.sizes.end()), [checkpoint](void*) {},
      at::TensorOptions(scalar_type(view.dtype)));
}

a8w8::torch::LinearQuant from_checkpoint(const a8w8::Checkpoint& checkpoint, const std::string& layer) {
  const at::Tensor weight = as_tensor(checkpoint, layer + ".weight");
  a8w8::torch::LinearQuant linear(
      a8w8::torch::LinearQuantOptions(weight.size(1), weight.size(0)).output_dtype(at::kBFloat16));
  linear->weight.set_data(weight);
  linear->scale.set_data(as_tensor(checkpoint, layer + ".deq_scale"));
  linear->bias.set_data(as_tensor(checkpoint, layer + ".quant_bias"));
  return linear;
}

at::Tensor read_tensor(const char* path) {
  std::ifstream file(path, std::ios::binary);
  TORCH_CHECK(file, "cannot read ", path);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
  return ::torch::pickle_load(bytes).toTensor();
}

void write_tensor(const char* path, const at::Tensor& tensor) {
  const std::vector<char> bytes = ::torch::pickle_save(tensor);
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  TORCH_CHECK(file, "cannot write ", path);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3 && argc != 5 && argc != 6) {
    std::cerr << "usage: " << argv[0] << " FOLDER LAYER [INPUT OUTPUT [MODULE]]\n";
    return 2;
  }
  const bool has_input = argc > 3;
  a8w8::torch::LinearQuant linear = from_checkpoint(a8w8::Checkpoint::open(argv[1]), argv[2]);
  const at::Tensor x =
      has_input ? read_tensor(argv[3]) : at::randint(-128, 128, {2, linear->options.in_features()}, at::kChar);
  const at::Tensor y = linear(x);

  if (has_input) write_tensor(argv[4], y);
  if (argc == 6) ::torch::save(linear, argv[5]);
  std::cout << argv[2] << ": " << linear << ", y " << y.sizes() << ", from\n" << y[0].slice(0, 0, 4) << '\n';
  return 0;
} catch (const c10::Error& e) {  // what() would add the stack
  std::cerr << e.what_without_backtrace() << '\n';
  return 1;
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
