"""The quantized layers of a checkpoint. The reader has checked that their tensors are complete and sane."""

import torch
from torch import Tensor, nn

from .nn.quantized_linear import QUANT_TYPES, QuantizedLinear

_SCHEMES = {quant_type: scheme for scheme, quant_type in QUANT_TYPES.items()}


def install_quantized_layers(
    model: nn.Module, tensors: dict[str, Tensor], quant_types: dict[str, str]
) -> dict[str, QuantizedLinear]:
    """Replaces each nn.Linear that is quantized in the checkpoint by an empty QuantizedLinear; returns them by name.

    A layer is quantized if its weight is of a quantized type and int8: tools also give that type to norms in front of
        it.
    """
    layers: dict[str, QuantizedLinear] = {}
    for name, quant_type in quant_types.items():
        layer, _, kind = name.rpartition(".")
        if kind != "weight" or quant_type == "FLOAT" or tensors[name].is_floating_point():
            continue
        if quant_type not in _SCHEMES:
            raise ValueError(f"{name} is of type {quant_type}, allowed: FLOAT, {', '.join(_SCHEMES)}")
        linear = _linear(model, layer, quant_type)
        with torch.device("meta"):
            layers[layer] = QuantizedLinear(
                linear.in_features, linear.out_features, _SCHEMES[quant_type], bias=linear.bias is not None
            )
        model.set_submodule(layer, layers[layer])
    return layers


def _linear(model: nn.Module, layer: str, quant_type: str) -> nn.Linear:
    try:
        linear = model.get_submodule(layer)
    except AttributeError:
        raise ValueError(
            f"{layer} is {quant_type} in the checkpoint, but {type(model).__name__} has no such layer"
        ) from None
    if not isinstance(linear, nn.Linear):
        raise ValueError(
            f"{layer} is {quant_type} in the checkpoint, but a {type(linear).__name__} in the model, not a Linear"
        )
    return linear


def layer_tensors(layer: str, module: QuantizedLinear, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the checkpoint has of one layer, as views in the module's shapes.

    Vectors may be stored as [n], [n, 1], [1] or without dimensions; dtypes stay, since the ops take every one that
    checkpoints use. Older tools store no weight_offset, which is zero anyway.
    """
    result: dict[str, Tensor] = {}
    for kind, place in module.state_dict().items():
        name = f"{layer}.{kind}"
        if name in tensors:
            result[name] = in_shape(name, tensors[name], place.shape, vector=kind != "weight")
        elif kind == "weight_offset":
            result[name] = torch.zeros(place.shape)
    return result


def in_shape(name: str, tensor: Tensor, shape: torch.Size, vector: bool = False) -> Tensor:
    """The tensor itself, or for vectors a view of it; ValueError if the shape is another one."""
    if tensor.shape != shape and not (vector and tensor.numel() == shape.numel()):
        raise ValueError(f"{name} is of shape {tuple(tensor.shape)}, allowed: {tuple(shape)}")
    return tensor.view(shape)
