"""torchair.experimental.inference: prepares the quantized linear modules of a model for the device."""

import sys

import torch
from torch import nn
from torchair.core.utils import logger

import a8w8
from a8w8.compat._refusal import refuse
from a8w8.nn import LinearA8W8Quant, LinearQuant

__all__ = ["use_internal_format_weight"]
__getattr__ = refuse(__name__)

_FRACTAL_NZ = 29


def use_internal_format_weight(model: nn.Module) -> None:
    """Packs scales and lays weights out as the device wants them, in the model and all modules in it.

    LinearA8W8Quant: the float32 scale becomes packed words, with the offset in them (not for a bfloat16 output); the
    weight becomes FRACTAL_NZ if the product is "atlas-inference". LinearQuant: the weight becomes FRACTAL_NZ. Other
    modules stay as they are. A second call is a RuntimeError where the scale is packed already. Without torch_npu in
    the process it logs an error and does nothing.

    Weights stay parameters and the op in a graph stays the vendor's, so weights are not packed here, unless they were:
    `a8w8.nn.pack_weights_(model)` afterwards does that, and `get_npu_format` of a packed weight is still FRACTAL_NZ.
    """
    if "torch_npu" not in sys.modules:
        logger.error("use_internal_format_weight needs torch_npu, which is not imported: nothing is done")
        return
    for module in model.modules():  # the model itself, then depth first
        if isinstance(module, LinearA8W8Quant):
            module.scale.data = torch.ops.npu.npu_trans_quant_param(module.scale, module.offset)
            if a8w8.product() == "atlas-inference":
                _cast_weight(module)
        elif isinstance(module, LinearQuant):
            _cast_weight(module)


def _cast_weight(module: LinearA8W8Quant | LinearQuant) -> None:
    packed = module.is_packed
    module.weight.data = torch.ops.npu.npu_format_cast(module.weight.data, _FRACTAL_NZ)
    if packed:
        module.pack_()
