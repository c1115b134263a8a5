"""Both modules in graph mode, as the vendor's documentation compiles them; graphs are written to files."""

import glob
import logging
import warnings

import torch
import torch_npu
import torchair as tng
from torch import nn
from torch_npu.contrib.module import LinearA8W8Quant, LinearQuant
from torchair.configs.compiler_config import CompilerConfig
from torchair.core.utils import logger
from torchair.ge_concrete_graph import ge_apis as ge  # noqa: F401

warnings.simplefilter("ignore", FutureWarning)  # LinearA8W8Quant is deprecated
logger.setLevel(logging.DEBUG)
torch_npu.npu.set_compile_mode(jit_compile=True)


def fill(layer):
    n, k = layer.weight.shape
    layer.weight.data = torch.randint(-5, 5, (n, k), dtype=torch.int8, device="npu")
    layer.scale.data = torch.rand(n, device="npu") / 100
    layer.bias.data = torch.randint(-5, 5, (n,), dtype=torch.int32).npu()
    return layer


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = fill(LinearA8W8Quant(32, 48, output_dtype=torch.float16))
        self.two = fill(LinearQuant(48, 8, output_dtype=torch.float16))
        self.head = nn.Linear(8, 4, device="npu")

    def forward(self, x, scales):
        x = torch_npu.npu_quantize(x, scales, None, torch.qint8, -1, True)
        x = self.one(x)
        x = self.two(torch_npu.npu_quantize(x, scales[:1], torch.zeros(1, dtype=torch.int8, device="npu"), torch.qint8))
        return self.head(x.to("npu").float())


model = Model().npu()
x, scales = torch.randn(5, 32).npu(), torch.full((32,), 0.02, device="npu:0")
with torch.no_grad():
    eager = model(x, scales)
    before = model.two.weight.data
    tng.experimental.inference.use_internal_format_weight(model)
    print(model.one.scale.dtype, model.two.scale.dtype, torch_npu.get_npu_format(model.two.weight))
    print("as before:", torch.equal(model(x, scales), eager))
    try:
        tng.use_internal_format_weight(model)
    except RuntimeError as error:
        print("a second time:", "float32" in str(error))

    for dynamic in (True, False):
        torch._dynamo.reset()
        config = CompilerConfig()
        backend = tng.get_npu_backend(compiler_config=config)
        config.debug.graph_dump.type = "pbtxt" if dynamic else "py"
        compiled = torch.compile(model, backend=backend, dynamic=dynamic, fullgraph=True)
        same = [torch.equal(compiled(x[:rows], scales), model(x[:rows], scales)) for rows in (5, 4, 3)]
        print(f"dynamic={dynamic}:", same)

config.debug.graph_dump.type = "txt"
config.debug.graph_dump.path = "."
torch.compile(lambda x: x.npu() + 1, backend=backend)(x)
print("files:", sorted({path.rpartition(".")[2] for path in glob.glob("dynamo_original_graph_*_rank_0_pid_*_ts_*")}))
