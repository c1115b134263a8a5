"""Layers: `LinearA8W8Quant` and `LinearQuant` as torch_npu has them, `QuantizedLinear` for models."""

from .linear_quant import LinearA8W8Quant, LinearQuant
from .packing import PackableWeight, pack_weights_
from .quantized_linear import QuantizedLinear

__all__ = ["LinearA8W8Quant", "LinearQuant", "PackableWeight", "QuantizedLinear", "pack_weights_"]
