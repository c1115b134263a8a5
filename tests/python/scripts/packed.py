"""torchair's weights in FRACTAL_NZ, then packed by a8w8: the same results, and still FRACTAL_NZ to who asks."""

import a8w8
import torch
import torch_npu
import torchair
from torch_npu.contrib.module import LinearQuant

model = torch.nn.Sequential(LinearQuant(64, 48, output_dtype=torch.float16)).npu()
model[0].weight.data = torch.randint(-128, 128, (48, 64), dtype=torch.int8).npu()
model[0].scale.data = torch.rand(48).npu() / 100
model[0].bias.data = torch.randint(-99, 99, (48,), dtype=torch.int32).npu()
x = torch.randint(-128, 128, (5, 64), dtype=torch.int8).npu()
expected = model(x)


def is_nz():
    return torch_npu.get_npu_format(model[0].weight) == torch_npu.Format.FRACTAL_NZ


torchair.use_internal_format_weight(model)
assert "0.weight" in dict(model.named_parameters())
assert a8w8.nn.pack_weights_(model) == 1
print("FRACTAL_NZ:", is_nz(), torch.equal(model(x), expected))
torchair.use_internal_format_weight(model)
print("again:", is_nz() and model[0].is_packed, torch.equal(model.to("npu")(x), expected))
compiled = torch.compile(model, backend=torchair.get_npu_backend(), dynamic=True, fullgraph=True)
print("in a graph:", all(torch.equal(compiled(x[:m]), expected[:m]) for m in (5, 3)))
