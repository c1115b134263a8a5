"""Makes torch_npu scripts run where there is no NPU: `import torch_npu`, `import torchair`, "npu" as a device name.

    import a8w8.compat

    a8w8.compat.install()           # before anything that imports torch_npu
    import torch_npu

`python -m a8w8.torch_npu SCRIPT` does the same for a script that stays as it is. A torch_npu that is installed is left
alone, and so is PyTorch then: `install()` returns False and the script runs on the NPU.

| file             | what                                                                                     |
|------------------|------------------------------------------------------------------------------------------|
| `_finder.py`     | serves `torch_npu` and `torchair` from the folders here, after every other finder        |
| `_npu_names.py`  | what is an "npu" device name, and the CPU that it means                                  |
| `_stand_in.py`   | `torch.device` and `torch.Generator` that take those names                               |
| `_torch_api.py`  | every other place of PyTorch's API that takes a device                                   |
| `_spawned.py`    | hands the layer on to processes that multiprocessing spawns                              |
| `_refusal.py`    | the error for names that are not covered                                                 |
| `torch_npu/`, `torchair/` | the packages: same import paths and signatures as upstream, mostly re-exports   |

Device names are translated in Python, where they enter PyTorch. Nothing below sees "npu", so eager code, FakeTensorMode
and torch.compile need no support of their own.
"""

import importlib
import sys

from . import _finder, _spawned, _torch_api


def install() -> bool:
    """Makes `torch_npu`, `torchair` and "npu" devices available in this process.

    Returns:
        True if they are (also when called again), False if a torch_npu is installed, which is then left to do its work.
    """
    if _finder.is_installed():
        return True
    if _finder.finds_elsewhere("torch_npu"):
        return False
    _finder.install()
    _torch_api.install()
    _spawned.install()
    _attach_npu_module()
    return True


def _attach_npu_module() -> None:
    """torch.npu is torch_npu.npu, also as `import torch.npu`; torch_npu does that when it is imported."""
    import torch

    npu = importlib.import_module("torch_npu.npu")
    sys.modules["torch.npu"] = npu
    torch.npu = npu
