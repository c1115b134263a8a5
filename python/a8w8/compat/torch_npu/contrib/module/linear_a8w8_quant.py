"""torch_npu.contrib.module.linear_a8w8_quant."""

from a8w8.compat._refusal import refuse
from a8w8.nn import LinearA8W8Quant

__all__ = ["LinearA8W8Quant"]
__getattr__ = refuse(__name__)
