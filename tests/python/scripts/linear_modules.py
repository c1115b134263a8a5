"""Both modules as the vendor's documentation uses them, in eager mode. Prints what a test compares."""

import warnings

import torch
import torch_npu
from torch_npu.contrib.module import LinearA8W8Quant, LinearQuant

torch.manual_seed(0)
torch.npu.set_device("npu:0")
warnings.simplefilter("ignore", FutureWarning)  # LinearA8W8Quant is deprecated

in_features, out_features = 64, 24
x1 = torch.randint(-5, 5, (3, in_features), dtype=torch.int8).npu()
x2 = torch.randint(-5, 5, (out_features, in_features), dtype=torch.int8, device="npu")
scale = torch.rand(out_features, dtype=torch.float32).to("npu") / 4
offset = torch.randint(-9, 9, (out_features,)).to("npu:0", torch.float32)
bias = torch.randint(-9, 9, (out_features,), dtype=torch.int32, device=torch.device("npu:0"))

outputs = []
for module in (LinearA8W8Quant, LinearQuant):
    model = module(in_features, out_features, bias=True, offset=True, output_dtype=torch.int8).npu()
    model.weight.data = x2
    model.scale.data = scale
    model.offset.data = offset
    model.bias.data = bias
    outputs.append(model(x1))

# Once more by hand, in exact integers and float32.
packed = torch_npu.npu_trans_quant_param(scale, offset)
truncated = (packed & 0xFFFFE000).to(torch.int32).view(torch.float32)
product = (x1.int() @ x2.int().t() + bias).float() * truncated
outputs.append((product.round().clamp(-256, 255) + offset).clamp(-128, 127).to(torch.int8))
outputs.append(torch_npu.npu_quant_matmul(x1, x2.t(), packed, bias=bias, output_dtype=torch.int8))
print("same int8:", all(torch.equal(output, outputs[0]) for output in outputs))

# int4: eight in an int32. The values fit, so the result is that of int8.
int4 = LinearQuant(in_features, out_features, bias=True, output_dtype=torch.float16).npu()
int4.weight.data = torch_npu.npu_convert_weight_to_int4pack(x2.to(torch.int32))
int4.scale.data = scale
int4.bias.data = bias
int8 = torch_npu.npu_quant_matmul(x1, x2.t(), scale, bias=bias, output_dtype=torch.float16)
print("same int4:", torch.equal(int4(torch_npu.npu_convert_weight_to_int4pack(x1.to(torch.int32))), int8))

nz = torch_npu.npu_format_cast(x2, torch_npu.Format.FRACTAL_NZ)
print(
    "same NZ:", torch.equal(torch_npu.npu_quant_matmul(x1, nz.t(), scale, bias=bias, output_dtype=torch.float16), int8)
)
print(torch_npu.get_npu_format(nz), torch_npu.get_npu_format(x2))
