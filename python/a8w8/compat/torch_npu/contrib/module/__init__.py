"""torch_npu.contrib.module: the quantized linear modules, which are those of `a8w8.nn`."""

from torch_npu.contrib.module import linear_a8w8_quant, linear_quant
from torch_npu.contrib.module.linear_a8w8_quant import LinearA8W8Quant
from torch_npu.contrib.module.linear_quant import LinearQuant

from a8w8.compat._refusal import refuse

__all__ = ["LinearA8W8Quant", "LinearQuant", "linear_a8w8_quant", "linear_quant"]
__getattr__ = refuse(__name__)
