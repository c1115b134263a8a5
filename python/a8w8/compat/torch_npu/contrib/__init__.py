"""torch_npu.contrib: the quantized linear modules."""

from torch_npu.contrib import module
from torch_npu.contrib.module import LinearA8W8Quant, LinearQuant

from a8w8.compat._refusal import refuse

__all__ = ["LinearA8W8Quant", "LinearQuant", "module"]
__getattr__ = refuse(__name__)
