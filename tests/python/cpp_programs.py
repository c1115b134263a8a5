"""Runs the C++ examples, which exchange tensors with the tests as files."""

import os
import subprocess
from pathlib import Path

import pytest
import torch
from conftest import REPOSITORY
from op_support import bits

ENVIRONMENT_VARIABLE = "A8W8_BUILD_DIR"  # another build than that of the release preset
PINNED = {**os.environ, "PYTHONPATH": "", "LD_LIBRARY_PATH": ""}  # the programs find their libraries by themselves


def program(example: str) -> Path:
    """The executable; without the C++ side built, the test is skipped."""
    build = Path(os.environ.get(ENVIRONMENT_VARIABLE, REPOSITORY / "build" / "release"))
    path = build / "examples" / f"a8w8_example_{example}"
    if not path.is_file():
        pytest.skip(f"{path} is not built: run `make build`, or set {ENVIRONMENT_VARIABLE}")
    return path


def run(example: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(program(example)), *map(str, arguments)]
    return subprocess.run(command, env=PINNED, capture_output=True, text=True, timeout=60)


def compute(example: str, arguments: list[object], x: torch.Tensor, folder: Path, *more: object) -> torch.Tensor:
    """Writes x, runs `example ARGUMENTS x.pt y.pt MORE`, reads y."""
    torch.save(x, folder / "x.pt")
    result = run(example, *arguments, folder / "x.pt", folder / "y.pt", *more)
    assert result.returncode == 0, result.stderr
    return torch.load(folder / "y.pt")


def same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and bool((bits(a) == bits(b)).all())
