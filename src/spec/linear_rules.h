// The rules of linear_dynamic and linear_static.
#pragma once

#include "a8w8/linear_ops.h"
#include "a8w8/status.h"

namespace a8w8 {

Status check_linear_dynamic(const LinearDynamicArgs& args, TensorDesc& desc);
Status check_linear_static(const LinearStaticArgs& args, TensorDesc& desc);

}  // namespace a8w8
