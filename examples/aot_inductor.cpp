// Runs a model that Python exported and compiled ahead of time: aot_inductor PACKAGE INPUT OUTPUT
// No Python is needed here. The program is linked with a8w8::torch, which brings the npu:: ops that the model calls.
// INPUT is a tensor written by Python's torch.save; OUTPUT is for torch.load. tests/python/test_aot_inductor.py makes a
// package.
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/serialize.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

int main(int argc, char** argv) try {
  if (argc != 4) {
    std::cerr << "usage: " << argv[0] << " PACKAGE INPUT OUTPUT\n";
    return 2;
  }
  std::ifstream input(argv[2], std::ios::binary);
  TORCH_CHECK(input, "cannot read ", argv[2]);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(input)), {});

  torch::inductor::AOTIModelPackageLoader model(argv[1]);
  const std::vector<at::Tensor> results = model.run({torch::pickle_load(bytes).toTensor()});

  const std::vector<char> result = torch::pickle_save(results.at(0));
  std::ofstream output(argv[3], std::ios::binary);
  output.write(result.data(), static_cast<std::streamsize>(result.size()));
  TORCH_CHECK(output, "cannot write ", argv[3]);
  std::cout << "y " << results[0].sizes() << ' ' << results[0].dtype() << '\n';
  return 0;
} catch (const c10::Error& e) {  // what() would add the stack
  std::cerr << e.what_without_backtrace() << '\n';
  return 1;
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
