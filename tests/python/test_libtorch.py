"""The LibTorch module, through examples/torch_linear.cpp: its numbers are those of the Python module."""

from pathlib import Path

import numpy as np
import pytest
import torch
from a8w8.nn import LinearQuant
from cpp_programs import compute, run, same_bits

LAYERS = ["model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"]


@pytest.fixture
def folder(data) -> Path:
    return data / "msmodelslim-v1-static-bf16"


def python_module(folder: Path, layer: str) -> LinearQuant:
    _, names, values = torch.ops.a8w8.read_checkpoint(str(folder))
    tensors = dict(zip(names, values, strict=True))
    weight = tensors[f"{layer}.weight"]
    module = LinearQuant(weight.shape[1], weight.shape[0], output_dtype=torch.bfloat16)
    module.weight.data = weight
    module.scale.data = tensors[f"{layer}.deq_scale"]
    module.bias.data = tensors[f"{layer}.quant_bias"]
    return module


@pytest.mark.parametrize("layer", LAYERS)
def test_numbers_are_those_of_python_and_of_the_checkpoint(layer, folder, tmp_path):
    expected = np.load(folder / "expected.npz")
    x = torch.from_numpy(expected[f"{layer}/x_q"])
    y = compute("torch_linear", [folder, layer], x, tmp_path)
    assert same_bits(y, python_module(folder, layer)(x))
    assert same_bits(y, torch.from_numpy(expected[f"{layer}/y"]).bfloat16())


def test_any_number_of_rows_and_batches(folder, tmp_path):
    module = python_module(folder, LAYERS[0])
    for shape in ((1, 128), (77, 128), (2, 3, 5, 128)):
        x = torch.randint(-128, 128, shape, dtype=torch.int8)
        assert same_bits(compute("torch_linear", [folder, LAYERS[0]], x, tmp_path), module(x))


@pytest.mark.filterwarnings("ignore:`torch.jit.load`:DeprecationWarning")
def test_python_reads_what_cpp_saved(folder, tmp_path):
    x = torch.randint(-128, 128, (3, 128), dtype=torch.int8)
    y = compute("torch_linear", [folder, LAYERS[0]], x, tmp_path, tmp_path / "module.pt")
    module = LinearQuant(128, 128, output_dtype=torch.bfloat16)
    module.load_state_dict(torch.jit.load(tmp_path / "module.pt").state_dict(), assign=True)
    assert [p.dtype for p in module.parameters()] == [torch.int8, torch.float32, torch.int32]
    assert same_bits(module(x), y)


def test_refusals_are_messages(folder, tmp_path):
    torch.save(torch.zeros(2, 128), tmp_path / "x.pt")
    for arguments, message in (
        ((folder, LAYERS[0], tmp_path / "x.pt", tmp_path / "y.pt"), "LinearQuant: x is float32 and weight is int8"),
        ((folder, "model.layers.9"), "model.layers.9.weight"),
        ((tmp_path, LAYERS[0]), str(tmp_path)),
    ):
        result = run("torch_linear", *arguments)
        assert result.returncode == 1 and message in result.stderr and result.stderr.count("\n") == 1
    assert not (tmp_path / "y.pt").exists()
    assert run("torch_linear").returncode == 2
