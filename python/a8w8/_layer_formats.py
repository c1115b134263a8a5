"""The tensors of one QuantizedLinear under the names of a checkpoint format, whichever format it was made for."""

import torch
from torch import Tensor

from .nn._formulas import zero_point_alone
from .nn.quantized_linear import QuantizedLinear


def msmodelslim_tensors(layer: QuantizedLinear, model_dtype: torch.dtype) -> dict[str, Tensor]:
    """What msModelSlim stores; for most layers their buffers as they are.

    A layer that adds a float bias loses its fraction of a step of deq_scale: quant_bias takes rint(bias / deq_scale).
    deq_scale becomes the 64-bit form in float16 models, for which devices want it.
    """
    buffers = {name: tensor for name, tensor in layer.state_dict().items() if tensor is not None}
    if layer.scheme == "w8a8_dynamic" or not layer.adds_bias:
        return buffers
    deq_scale = _deq_scale(layer)
    inside = torch.zeros(layer.out_features, dtype=torch.float64)
    if layer.bias is not None:
        inside = torch.round(layer.bias.double() / deq_scale.double())
    if layer.quant_bias is not None:
        inside += layer.quant_bias
    if not inside.abs().max() < 2**31:
        raise ValueError("the bias does not fit into quant_bias (int32): it is too large for deq_scale")
    buffers["quant_bias"] = inside.to(torch.int32)
    if model_dtype == torch.float16 and layer.deq_scale.dtype != torch.int64:
        buffers["deq_scale"] = deq_scale.view(torch.int32).to(torch.int64)
    return buffers


def compressed_tensors(layer: QuantizedLinear, model_dtype: torch.dtype) -> dict[str, Tensor]:
    """What compressed-tensors stores, numbers in the model's dtype where that is exact and else in float32.

    A static layer has weight_scale only as a part of deq_scale: it becomes the number whose float32 product with
    input_scale is deq_scale, or, where there is none, the one next to it. What quant_bias holds beside the zero point
    becomes the float bias.
    """
    weight = layer.weight
    if layer.scheme == "w8a8_dynamic":
        bias = None if layer.bias is None else _narrow(layer.bias, model_dtype)
        return _present(weight=weight, weight_scale=_narrow(layer.weight_scale, model_dtype), bias=bias)
    offset = layer.input_offset.to(torch.int8)
    return _present(
        weight=weight,
        weight_scale=_weight_scale(_deq_scale(layer), layer.input_scale.float(), model_dtype)[:, None],
        input_scale=_narrow(layer.input_scale.reshape(1), model_dtype),
        input_zero_point=offset.reshape(1) if offset.any() else None,
        bias=_outside_bias(layer, model_dtype),
    )


def _outside_bias(layer: QuantizedLinear, model_dtype: torch.dtype) -> Tensor | None:
    if layer.adds_bias:
        return None if layer.bias is None else _narrow(layer.bias, model_dtype)
    zero_point = zero_point_alone(layer.input_offset, layer.weight)
    steps = torch.zeros(layer.out_features, dtype=torch.int64) if layer.quant_bias is None else layer.quant_bias.long()
    steps = steps if zero_point is None else steps - zero_point
    if layer.bias is None and not steps.any():
        return None
    return (steps.double() * _deq_scale(layer).double()).float()


def _deq_scale(layer: QuantizedLinear) -> Tensor:
    """As float32, also where it is stored as the bits of that."""
    scale = layer.deq_scale
    return scale.to(torch.int32).view(torch.float32) if scale.dtype == torch.int64 else scale.float()


def _weight_scale(deq_scale: Tensor, input_scale: Tensor, model_dtype: torch.dtype) -> Tensor:
    quotient = deq_scale / input_scale
    rounded = quotient.to(model_dtype)
    if torch.equal(rounded.float() * input_scale, deq_scale):  # then it is what the layer was made from
        return rounded
    result = quotient
    for end in (0.0, torch.inf):
        neighbour = torch.nextafter(quotient, torch.tensor(end))
        better = (result * input_scale != deq_scale) & (neighbour * input_scale == deq_scale)
        result = torch.where(better, neighbour, result)
    return result


def _narrow(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """In `dtype` if that changes no number, else float32."""
    wide = tensor.float()
    narrow = wide.to(dtype)
    return narrow if torch.equal(narrow.float(), wide) else wide


def _present(**tensors: Tensor | None) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}
