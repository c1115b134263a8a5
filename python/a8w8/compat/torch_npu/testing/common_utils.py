"""torch_npu.testing.common_utils: inputs for tests, and tests for some devices only."""

import functools
import os
import unittest
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch_npu

from a8w8.compat._refusal import refuse

__all__ = ["SupportedDevices", "create_common_tensor", "get_npu_device", "set_npu_device"]
__getattr__ = refuse(__name__)


def get_npu_device() -> str:
    """The name "npu:0", or another index if the environment variable SET_NPU_DEVICE gives one."""
    return f"npu:{os.environ.get('SET_NPU_DEVICE', '0')}"


def set_npu_device() -> str:
    """Makes `get_npu_device()` the current device and returns it."""
    device = get_npu_device()
    torch.npu.set_device(device)
    return device


def create_common_tensor(
    item: Sequence[Any], minValue: float, maxValue: float, device: Any = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Two tensors of the same random values, uniform in [minValue, maxValue): "the CPU's" and "the NPU's".

    Args:
        item: numpy dtype, format number (-1: as it comes), shape.
        minValue, maxValue: the range.
        device: the NPU; `get_npu_device()` if it is not given.
    """
    dtype, npu_format, shape = item
    values = torch.from_numpy(np.random.uniform(minValue, maxValue, shape).astype(dtype))
    on_npu = values.clone().to(get_npu_device() if device is None else device)
    if npu_format != -1:
        on_npu = torch_npu.npu_format_cast(on_npu, npu_format)
    return values, on_npu


class SupportedDevices:
    """Skips a test unless the name of the device begins with one of these."""

    def __init__(self, supported_devices: Sequence[str]) -> None:
        self.supported_devices = supported_devices

    def __call__(self, test: Callable[..., Any]) -> Callable[..., Any]:
        """The test, with the question put before it each time."""

        @functools.wraps(test)
        def ask_first(*args: Any, **kwargs: Any) -> Any:
            name = torch_npu.npu.get_device_name(0)
            if not name.startswith(tuple(self.supported_devices)):
                raise unittest.SkipTest(f"only for {', '.join(self.supported_devices)}; this is {name}")
            return test(*args, **kwargs)

        return ask_first
