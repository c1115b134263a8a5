"""A model exported and compiled ahead of time (AOTInductor) gives the bits of the eager one, in Python and in C++."""

import copy
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from a8w8 import ops
from a8w8.nn import LinearQuant, QuantizedLinear
from cpp_programs import compute, same_bits
from torch import nn

pytestmark = [
    pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="AOTInductor needs a compiler"),
    # PyTorch's own.
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*treespec:FutureWarning"),
]

ROWS = 8  # of the example input


class Model(nn.Module):
    """Every op that a graph may hold, and plain ones between. These are exact, so that fusing them changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = quantized(64, 32, torch.float16)
        self.fc2 = quantized(32, 16, torch.bfloat16)
        self.fc3 = quantized(16, 24, torch.bfloat16)
        self.head = QuantizedLinear.from_float(nn.Linear(24, 8), "w8a8_dynamic")
        self.register_buffer("step", torch.tensor([0.05]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.fc1(x).relu() * 2
        x = self.fc2(ops.quantize(x.float(), self.step, dtype=torch.qint8))
        x, row_scales = ops.dynamic_quant(x.abs())
        x = ops.quant_matmul(
            x, self.fc3.weight.t(), self.fc3.scale, pertoken_scale=row_scales, output_dtype=torch.bfloat16
        )
        return self.head(x.float()) * 4


def quantized(in_features: int, out_features: int, output: torch.dtype) -> LinearQuant:
    module = LinearQuant(in_features, out_features, output_dtype=output)
    module.weight.data = torch.randint(-128, 128, (out_features, in_features), dtype=torch.int8)
    module.scale.data = torch.rand(out_features) * 1e-4
    module.bias.data = torch.randint(-1000, 1000, (out_features,), dtype=torch.int32)
    return module


def inputs(rows: int) -> torch.Tensor:
    return torch.randint(-128, 128, (rows, 64), dtype=torch.int8)


@dataclass
class Compiled:
    model: Model
    graph: torch.fx.Graph
    package: Path
    rows: list[int]  # to run it with


@pytest.fixture(scope="module", params=["static", "dynamic"])
def compiled(request, tmp_path_factory) -> Compiled:
    torch.manual_seed(0)
    model, example = Model().eval(), inputs(ROWS)
    dynamic = request.param == "dynamic"
    shapes: Any = ({0: torch.export.Dim("rows", max=4096)},) if dynamic else None
    package = tmp_path_factory.mktemp("package") / f"{request.param}.pt2"
    with torch.no_grad():
        program = torch.export.export(model, (example,), dynamic_shapes=shapes)
        graph = copy.deepcopy(program.graph)
        torch._inductor.aoti_compile_and_package(program, package_path=str(package))
    return Compiled(model, graph, package, [1, ROWS, 3, 100] if dynamic else [ROWS])


def test_graph_holds_the_vendors_ops(compiled):
    calls = Counter(str(node.target) for node in compiled.graph.nodes if node.op == "call_function")
    assert calls["npu.npu_quant_matmul.default"] == 3
    assert calls["npu.npu_trans_quant_param.default"] == 1
    assert calls["npu.npu_quantize.default"] == calls["npu.npu_dynamic_quant.default"] == 1
    assert calls["a8w8.linear_dynamic.default"] == 1


def test_python_gets_the_bits_of_eager(compiled):
    run = torch._inductor.aoti_load_package(str(compiled.package))
    for rows in compiled.rows:
        x = inputs(rows)
        expected = compiled.model(x)
        assert expected.unique().numel() > 5 * rows  # of 8 * rows: nothing has collapsed on the way
        assert same_bits(run(x), expected)


def test_cpp_gets_the_bits_of_eager(compiled, tmp_path):
    for rows in compiled.rows:
        x = inputs(rows)
        assert same_bits(compute("aot_inductor", [compiled.package], x, tmp_path), compiled.model(x))
