"""What is an "npu" device name. All of them mean the CPU, the only device here."""

from typing import Any


def is_npu_name(device: Any) -> bool:
    """Whether this is "npu" or "npu:N". String methods only: torch.compile traces through this function."""
    return isinstance(device, str) and (device == "npu" or (device.startswith("npu:") and device[4:].isdigit()))


def cpu_for_npu(device: Any) -> Any:
    """The CPU for an "npu" name; everything else as it is, also what PyTorch will refuse."""
    return "cpu" if is_npu_name(device) else device
