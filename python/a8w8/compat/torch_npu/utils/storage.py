"""torch_npu.utils.storage: how torch_npu for PyTorch below 2.1 wrote tensors into checkpoints."""

from collections import OrderedDict

import torch

from a8w8.compat._refusal import refuse

__getattr__ = refuse(__name__)


def _rebuild_npu_tensor(
    storage: torch.storage.TypedStorage,
    storage_offset: int,
    size: torch.Size,
    stride: tuple[int, ...],
    requires_grad: bool,
    backward_hooks: OrderedDict,
    npu_storage_info: int | bool,
) -> torch.Tensor:
    """Called by torch.load. The data in the file are ND; `npu_storage_info` is the format the tensor had, or a bool."""
    tensor = torch._utils._rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks)
    return tensor if isinstance(npu_storage_info, bool) else torch.ops.npu.npu_format_cast(tensor, npu_storage_info)


torch.serialization.add_safe_globals([_rebuild_npu_tensor])
