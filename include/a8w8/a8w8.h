// Everything.
//
//   auto model = a8w8::Checkpoint::open("model-w8a8");                           // mapped, nothing copied
//   auto layer = a8w8::QuantizedLinear::from_checkpoint(model, "encoder.0.fc1");
//   a8w8::ExecutionContext ctx;                                                  // all cores
//   std::vector<float> x(m * layer.in_features()), y(m * layer.out_features());
//   layer.forward({x.data(), a8w8::DType::kF32, {m, layer.in_features()}},
//                 {y.data(), a8w8::DType::kF32, {m, layer.out_features()}}, ctx);
#pragma once

#include "a8w8/checkpoint.h"
#include "a8w8/context.h"
#include "a8w8/dtype.h"
#include "a8w8/format.h"
#include "a8w8/half.h"
#include "a8w8/inspect.h"
#include "a8w8/isa.h"
#include "a8w8/kernels.h"
#include "a8w8/linear.h"
#include "a8w8/linear_ops.h"
#include "a8w8/machine.h"
#include "a8w8/make_checkpoint.h"
#include "a8w8/op_table.h"
#include "a8w8/packed_weight.h"
#include "a8w8/product.h"
#include "a8w8/quant_matmul.h"
#include "a8w8/quant_param.h"
#include "a8w8/quantize.h"
#include "a8w8/status.h"
#include "a8w8/tensor_view.h"
