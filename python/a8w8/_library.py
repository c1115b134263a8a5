"""Finds and loads the op library (C++), or says why that is not possible."""

import importlib
import importlib.util
import os
import platform
import sys
import warnings
from pathlib import Path

import torch

from . import _calls

ENVIRONMENT_VARIABLE = "A8W8_TORCH_LIBRARY"  # a library elsewhere, for instance in a build folder


def library_path() -> Path:
    """Where the op library is expected: A8W8_TORCH_LIBRARY, or else `lib/` inside the package."""
    override = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(override) if override else Path(__file__).parent / "lib" / "liba8w8_torch.so"


def load() -> None:
    """Loads the op library, which registers its ops with PyTorch; ImportError if that fails."""
    _import_torch_npu()
    path = library_path()
    if not path.is_file():
        raise ImportError(
            f"a8w8: the op library {path} does not exist.\n"
            "Likely cause: the package is used from a source tree that is not built yet, or was installed without it.\n"
            f"Build it with `make build`, or set {ENVIRONMENT_VARIABLE} to a library built elsewhere."
        )
    built_with = _torch_version_at_build(path)
    if built_with is not None and _release(built_with) != _release(torch.__version__):
        # It might load all the same and crash later: PyTorch keeps its C++ ABI within a release only.
        raise ImportError(_explain(path, f"it needs PyTorch {built_with}", built_with))
    try:
        torch.ops.load_library(path)
    except OSError as error:
        raise ImportError(_explain(path, str(error), built_with)) from error
    _calls.install(path.with_name("_calls.abi3.so"))


def _import_torch_npu() -> None:
    """Lets the vendor's package, where it is installed, define its ops first: ours only add what is missing.

    Schemas can be defined once, so the order matters; imported here, it does not depend on the program's imports.
    """
    if "torch_npu" in sys.modules or importlib.util.find_spec("torch_npu") is None:
        return
    try:
        importlib.import_module("torch_npu")
    except Exception as error:  # a package without its driver: whatever it raises, it registers nothing we need
        warnings.warn(f"a8w8: torch_npu is installed but cannot be imported: {error}", RuntimeWarning, stacklevel=4)


def _explain(path: Path, error: str, built_with: str | None) -> str:
    return (
        f"a8w8: the op library {path} cannot be loaded: {error}\n"
        "Likely causes:\n"
        f"  - it was built with another PyTorch: built with {built_with or 'an unknown one'}, running "
        f"{torch.__version__} from {Path(torch.__file__).parent}. An undefined symbol points to this. "
        "Build it again in this environment.\n"
        f"  - it was built for another platform: this is {platform.system()} {platform.machine()}, "
        f"{' '.join(platform.libc_ver()).strip() or 'unknown C library'}.\n"
        "  - the file is damaged or incomplete; build it again."
    )


def _torch_version_at_build(path: Path) -> str | None:
    """What the build noted beside the library."""
    note = path.with_name("torch-version.txt")
    return note.read_text().strip() if note.is_file() else None


def _release(version: str) -> str:
    """2.13.0+cpu -> 2.13"""
    return ".".join(version.split(".")[:2])
