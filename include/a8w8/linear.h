// Layers as plain objects. They hold views, not copies: weights stay where they lie, for instance in a mapped
// checkpoint.
//
//   Checkpoint checkpoint = Checkpoint::open("model-w8a8");
//   QuantizedLinear fc1 = QuantizedLinear::from_checkpoint(checkpoint, "encoder.0.fc1");
//   ExecutionContext ctx;
//   const int64_t k = fc1.in_features(), n = fc1.out_features();
//   std::vector<float> y(m * n);
//   fc1.forward(ConstTensorView(x, DType::kF32, {m, k}), TensorView(y.data(), DType::kF32, {m, n}), ctx);
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "a8w8/linear_ops.h"
#include "a8w8/product.h"
#include "a8w8/quant_matmul.h"
#include "a8w8/tensor_view.h"

namespace a8w8 {

class Checkpoint;
struct LayerOptions;
class ExecutionContext;

// torch_npu's LinearQuant: int8 or int4 in; x1 = x, x2 = weight transposed. The members are the module's parameters.
struct LinearQuant {
  ConstTensorView weight;  // int8 (n, k), or with leading batch dimensions; or int32 (n, k / 8), words of eight int4
  ConstTensorView scale;   // int64, float32, bfloat16 (1,) or (n,)
  std::optional<ConstTensorView> offset = std::nullopt;
  std::optional<ConstTensorView> pertoken_scale = std::nullopt;  // (m,): set anew for each input
  std::optional<ConstTensorView> bias = std::nullopt;
  DType output_dtype = DType::kI8;

  int64_t in_features() const { return weight.sizes[-1] * (weight.dtype == DType::kI32 ? kInt4PerWord : 1); }
  int64_t out_features() const { return weight.sizes[-2]; }
  TensorDesc infer(const ConstTensorView& x, Product product = default_product()) const;
  void forward(const ConstTensorView& x, const TensorView& out, ExecutionContext& ctx,
               Product product = default_product()) const;
};

// torch_npu's LinearA8W8Quant: LinearQuant without int32 output.
struct LinearA8W8Quant : LinearQuant {
  TensorDesc infer(const ConstTensorView& x, Product product = default_product()) const;
  void forward(const ConstTensorView& x, const TensorView& out, ExecutionContext& ctx,
               Product product = default_product()) const;
};

// Float in, float out; the parameters have the names of an msModelSlim checkpoint.
class QuantizedLinear {
 public:
  struct Dynamic {  // W8A8_DYNAMIC
    ConstTensorView weight, weight_scale;
    std::optional<ConstTensorView> bias = std::nullopt;
  };
  struct Static {  // W8A8
    ConstTensorView weight, input_scale, input_offset, deq_scale;
    std::optional<ConstTensorView> quant_bias = std::nullopt;
    std::optional<ConstTensorView> bias = std::nullopt;  // not the checkpoint's bias that is inside quant_bias
    bool reciprocal = false;                             // see LinearStaticArgs
  };

  explicit QuantizedLinear(const Dynamic& parameters) : parameters_(parameters) {}
  explicit QuantizedLinear(const Static& parameters) : parameters_(parameters) {}
  // The layer whose weight is named <layer>.weight, of any quantized type; it keeps the checkpoint's files mapped.
  // Throws Error as Checkpoint::layer does.
  static QuantizedLinear from_checkpoint(const Checkpoint& checkpoint, const std::string& layer);
  static QuantizedLinear from_checkpoint(const Checkpoint& checkpoint, const std::string& layer,
                                         const LayerOptions& options);

  const ConstTensorView& weight() const;
  int64_t in_features() const { return weight().sizes[-1]; }
  int64_t out_features() const { return weight().sizes[-2]; }
  TensorDesc infer(const ConstTensorView& x) const;  // (..., n), dtype of x
  void forward(const ConstTensorView& x, const TensorView& out, ExecutionContext& ctx) const;

 private:
  std::variant<Dynamic, Static> parameters_;
  std::shared_ptr<const void> owned_;  // what the views of a checkpoint's layer point into
};

}  // namespace a8w8
