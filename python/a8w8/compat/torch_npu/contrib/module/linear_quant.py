"""torch_npu.contrib.module.linear_quant."""

from a8w8.compat._refusal import refuse
from a8w8.nn import LinearQuant

__all__ = ["LinearQuant"]
__getattr__ = refuse(__name__)
