// The rules of npu_trans_quant_param, npu_quantize, npu_dynamic_quant and of the float-to-float linears.
#pragma once

#include "a8w8/quant_param.h"
#include "a8w8/quantize.h"
#include "a8w8/status.h"

namespace a8w8 {

Status check_trans_quant_param(const TransQuantParamArgs& args, TensorDesc& desc);
Status check_quantize(const QuantizeArgs& args, Product product, TensorDesc& desc);
Status check_dynamic_quant(const DynamicQuantArgs& args, DynamicQuantDesc& desc);

// The values of group_index for an input of so many rows.
Status check_group_index(const int32_t* group_end, int64_t groups, int64_t rows);

// The dimension, counted from 0, that the scales of a checked npu_quantize call run along.
int quantize_axis(const QuantizeArgs& args);

}  // namespace a8w8
