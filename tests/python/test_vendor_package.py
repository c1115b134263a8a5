"""Beside an installed torch_npu: its schemas and kernels stay, ours for the CPU are added, in any order of imports."""

import os
import subprocess
import sys
from pathlib import Path

import a8w8
import pytest

PACKAGE = Path(__file__).parent / "vendor_package"

CHECK = """
import torch
from torch_npu import NpuTensor, calls

ops = torch.ops.npu
x, w = torch.ones(3, 8, dtype=torch.int8), torch.ones(4, 8, dtype=torch.int8)

# CPU tensors: our kernels, for the vendor's schemas and for those that the vendor lacks.
y = ops.npu_quant_matmul(x, w.t(), torch.ones(4), output_dtype=torch.int32)
assert torch.equal(y, torch.full((3, 4), 8, dtype=torch.int32))
assert ops.npu_trans_quant_param(torch.ones(4)).dtype == torch.int64
assert ops.npu_dynamic_quant(torch.ones(3, 8))[0].dtype == torch.int8
assert ops.get_npu_format(ops.npu_format_cast(x, 29)) == 29
assert calls == []

# Meta: the vendor's kernel where it has one, else ours.
ops.npu_quant_matmul(x.to("meta"), w.t().to("meta"), torch.ones(4, device="meta"))
assert calls.pop() == "npu_quant_matmul on Meta"
assert ops.npu_trans_quant_param(torch.ones(4, device="meta")).dtype == torch.int64
assert calls == []

# The device: the vendor's kernels, also from our modules.
for kind in (a8w8.nn.LinearQuant, a8w8.nn.LinearA8W8Quant):
    layer = kind(8, 4, bias=False)
    layer.weight = torch.nn.Parameter(NpuTensor((4, 8), torch.int8), requires_grad=False)
    layer.scale = torch.nn.Parameter(NpuTensor((4,), torch.float32), requires_grad=False)
    assert layer(NpuTensor((3, 8), torch.int8)).shape == (3, 4)
    assert calls == ["npu_trans_quant_param on the device", "npu_quant_matmul on the device"]
    calls.clear()
ops.npu_format_cast(NpuTensor((3, 8), torch.int8), 29)
assert calls == ["npu_format_cast on the device"]

import a8w8.compat
assert not a8w8.compat.install()
import torch_npu
assert torch_npu.__file__ == EXPECTED
print("passed")
"""


def run(script: str) -> subprocess.CompletedProcess:
    paths = os.pathsep.join([str(PACKAGE), str(Path(a8w8.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    expected = f"EXPECTED = {str(PACKAGE / 'torch_npu' / '__init__.py')!r}\n"
    return subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", expected + script],
        env={**os.environ, "PYTHONPATH": paths, "TORCH_DEVICE_BACKEND_AUTOLOAD": "0"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("imports", ["import torch_npu, a8w8", "import a8w8, torch_npu", "import a8w8"])
def test_its_kernels_are_left_alone(imports):
    result = run(imports + CHECK)
    assert result.returncode == 0 and "passed" in result.stdout, result.stderr


def test_a_package_that_cannot_be_imported_is_a_warning(tmp_path):
    broken = tmp_path / "torch_npu"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('libascend_hal.so: cannot open shared object file')\n")
    script = "import a8w8, torch\nprint(torch.ops.npu.npu_trans_quant_param(torch.ones(1)).item())"
    paths = os.pathsep.join([str(tmp_path), str(Path(a8w8.__file__).parents[1])])
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": paths, "TORCH_DEVICE_BACKEND_AUTOLOAD": "0"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "a8w8: torch_npu is installed but cannot be imported: libascend_hal.so" in result.stderr
