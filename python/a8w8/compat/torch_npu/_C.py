"""The one function of torch_npu's C module that its tests of formats call."""

import torch

from a8w8.compat._refusal import refuse

__getattr__ = refuse(__name__)


def _weak_ref_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """Another tensor over the same memory, with the same sizes, strides and offset; here it keeps the memory alive."""
    alias = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
    return alias.set_(tensor.untyped_storage(), tensor.storage_offset(), tensor.size(), tensor.stride())
