"""torch.npu and torch_npu.npu: one device, which is the CPU, named after the product whose rules the ops apply."""

from typing import Any

import torch

import a8w8
from a8w8.compat._npu_names import is_npu_name
from a8w8.compat._refusal import refuse

__getattr__ = refuse(__name__)

_DEVICE_NAMES = {"atlas-a2": "Ascend910B", "atlas-inference": "Ascend310P"}


def is_available() -> bool:
    """True: the ops run here."""
    return True


def is_initialized() -> bool:
    """True: there is nothing to initialize."""
    return True


def device_count() -> int:
    """1, though every index is accepted as a name of it."""
    return 1


def current_device() -> int:
    """0."""
    return 0


def set_device(device: Any) -> None:
    """Accepts an index, an "npu" name or a device, and changes nothing."""
    _check_device(device)


def get_device_name(device: Any = None) -> str:
    """A name that begins with Ascend910B, or Ascend310P if the product is "atlas-inference" (`a8w8.set_product`)."""
    _check_device(device)
    return f"{_DEVICE_NAMES[a8w8.product()]} (a8w8)"


def synchronize(device: Any = None) -> None:
    """Returns at once: ops have finished when they return."""
    _check_device(device)


def empty_cache() -> None:
    """Returns at once: there is no cache of device memory."""


def manual_seed(seed: int) -> None:
    """torch.manual_seed: random numbers come from the CPU's generator."""
    torch.manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """torch.manual_seed: random numbers come from the CPU's generator."""
    torch.manual_seed(seed)


def set_compile_mode(jit_compile: bool = False) -> None:
    """Accepts how the device is to compile its ops. The ops are compiled."""


class _Config:
    """Settings of the device; a name that does not exist is an error, when set, too."""

    __slots__ = ("allow_internal_format",)

    def __init__(self) -> None:
        self.allow_internal_format = True  # casts to FRACTAL_NZ are carried out, whatever is set


config = _Config()


def _check_device(device: Any) -> None:
    index = isinstance(device, int) and not isinstance(device, bool) and device >= 0
    if not (device is None or index or is_npu_name(device) or device == torch.device("cpu")):
        raise ValueError(f"device is {device!r}, allowed: an index, 'npu', 'npu:N' or a device made of these")
