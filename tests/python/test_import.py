"""Importing the package: the library is loaded, or the error says what is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import a8w8
import pytest
import torch
from a8w8 import _library
from conftest import REPOSITORY


def test_surface_is_there():
    for name in a8w8.__all__:
        assert hasattr(a8w8, name)
    assert a8w8.__version__ == a8w8.config.current()["version"]
    assert hasattr(torch.ops.npu, "npu_quant_matmul")


def test_import_does_not_need_transformers():
    code = "import sys, a8w8; assert 'transformers' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], env=_environment(), check=True)


def _environment(**variables: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY / "python"), **variables}


def _load(monkeypatch: pytest.MonkeyPatch, library: Path) -> str:
    monkeypatch.setenv("A8W8_TORCH_LIBRARY", str(library))
    with pytest.raises(ImportError) as error:
        _library.load()
    return str(error.value)


def test_missing_library_names_path_and_remedy(monkeypatch, tmp_path):
    message = _load(monkeypatch, tmp_path / "absent.so")
    assert str(tmp_path / "absent.so") in message
    assert "make build" in message


def test_damaged_library_names_the_likely_causes(monkeypatch, tmp_path):
    library = tmp_path / "liba8w8_torch.so"
    library.write_bytes(b"this is no library")
    message = _load(monkeypatch, library)
    assert str(library) in message
    assert torch.__version__ in message
    assert "damaged" in message


def test_library_for_another_torch_is_not_even_loaded(monkeypatch, tmp_path):
    library = tmp_path / "liba8w8_torch.so"
    library.write_bytes(b"")
    (tmp_path / "torch-version.txt").write_text("1.9.1+cpu\n")
    message = _load(monkeypatch, library)
    assert "it needs PyTorch 1.9.1+cpu" in message
    assert torch.__version__ in message


def test_failing_import_is_an_import_error():
    code = "import a8w8"
    environment = _environment(A8W8_TORCH_LIBRARY="/nowhere/lib.so")
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "ImportError: a8w8: the op library /nowhere/lib.so does not exist" in result.stderr


def test_product_is_chosen_by_name():
    assert a8w8.product() == "atlas-a2"
    try:
        a8w8.set_product("atlas-inference")
        assert a8w8.product() == a8w8.config.current()["product"] == "atlas-inference"
        with pytest.raises(RuntimeError, match=r"output_dtype|bfloat16"):
            a8w8.ops.quant_matmul(
                torch.ones(2, 3, dtype=torch.int8),
                torch.ones(3, 2, dtype=torch.int8),
                torch.ones(2),
                output_dtype=torch.bfloat16,
            )
        with pytest.raises((RuntimeError, ValueError), match=r"atlas-a9.*atlas-a2.*atlas-inference"):
            a8w8.set_product("atlas-a9")
    finally:
        a8w8.set_product("atlas-a2")


def test_show_config_names_what_runs(capsys):
    a8w8.show_config()
    shown = capsys.readouterr().out
    config = a8w8.config.current()
    for text in (config["cpu"], config["kernels"]["gemm"], config["product"], torch.__version__):
        assert text in shown
