"""torch_npu.utils: what checkpoints saved from an NPU name."""

from torch_npu.utils import storage

from a8w8.compat._refusal import refuse

__all__ = ["storage"]
__getattr__ = refuse(__name__)
