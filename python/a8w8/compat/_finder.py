"""Serves `torch_npu` and `torchair` from this folder: the last finder that Python asks, so that real packages win."""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from ._refusal import SCOPE

_FOLDER = Path(__file__).parent
_PACKAGES = ("torch_npu", "torchair")
# torch_npu ships torchair inside itself. Both names are one module, and so are those of its submodules.
_ALIAS = "torch_npu.dynamo.torchair"
_ALIASED = "torchair"


def is_installed() -> bool:
    """Whether `install()` was called."""
    return any(isinstance(finder, _Finder) for finder in sys.meta_path)


def install() -> None:
    """Appends the finder, and imports torch_npu, past a folder of that name which Python might take for a package."""
    sys.meta_path.append(_Finder())
    spec = _find("torch_npu")
    module = importlib.util.module_from_spec(spec)
    sys.modules["torch_npu"] = module
    spec.loader.exec_module(module)


def finds_elsewhere(package: str) -> bool:
    """Whether Python finds the package without this layer. A folder without `__init__.py` is not the package."""
    if package in sys.modules:
        return getattr(sys.modules[package], "__file__", None) is not None
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == _ALIAS or fullname.startswith(_ALIAS + "."):
            return ModuleSpec(fullname, _AliasLoader(_ALIASED + fullname[len(_ALIAS) :]))
        return _find(fullname) if fullname.partition(".")[0] in _PACKAGES else None


def _find(fullname: str) -> ModuleSpec:
    base = _FOLDER.joinpath(*fullname.split("."))
    package = base / "__init__.py"
    if package.is_file():
        spec = importlib.util.spec_from_file_location(fullname, package, submodule_search_locations=[])
        # No search path: submodules are found here and not by Python's own finder, which knows nothing of the alias.
        spec.submodule_search_locations = []
        return spec
    module = base.with_suffix(".py")
    if module.is_file():
        return importlib.util.spec_from_file_location(fullname, module)
    # Without a `name`, so that `from torch_npu import x` shows this message instead of swallowing it.
    raise ModuleNotFoundError(f"No module named {fullname!r}. {SCOPE}.")


class _AliasLoader(Loader):
    """Loads the module of another name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # Python has set the alias's
