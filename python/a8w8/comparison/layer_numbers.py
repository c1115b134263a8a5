"""A QuantizedLinear as the float layer that it stands for, and how it sees its input: all in float64.

A quantized layer computes exactly what a float layer with the weight, the bias and the input below would compute, but
for float32 rounding of the results. So each of the three can be looked at, and exchanged, on its own.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ..nn.quantized_linear import QuantizedLinear

_BLOCK = 1 << 21  # elements of a weight that are widened at once: 16 MB in float64


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Slices of rows with about _BLOCK elements each."""
    step = max(1, _BLOCK // max(1, columns))
    for start in range(0, rows, step):
        yield slice(start, min(rows, start + step))


def row_scales(layer: QuantizedLinear) -> Tensor:
    """float64 [n, 1]: what a row of int8 weights is multiplied by.

    A static layer has only the product with input_scale, and divides by nothing else; so an error in that product, as
    float16 makes it, counts as one of the weight.
    """
    if layer.scheme == "w8a8_dynamic":
        return layer.weight_scale.double().reshape(-1, 1)
    return (deq_scale(layer) / layer.input_scale.double()).reshape(-1, 1)


def deq_scale(layer: QuantizedLinear) -> Tensor:
    """float64 [n] of a static layer; an int64 one holds the bits of float32 values."""
    stored = layer.deq_scale.flatten()
    return (stored.to(torch.int32).view(torch.float32) if stored.dtype == torch.int64 else stored).double()


def effective_bias(layer: QuantizedLinear, weight: Tensor) -> Tensor | None:
    """float64 [n]: what the layer adds, the correction for input_offset taken out; None if it has no bias at all.

    Args:
        layer: any.
        weight: its int8 weight [n, k].
    """
    bias = None if layer.bias is None else layer.bias.double()
    if layer.scheme == "w8a8_dynamic":
        return bias
    total = torch.zeros(layer.out_features, dtype=torch.float64)
    if layer.quant_bias is not None:
        total += layer.quant_bias.double()
    total += layer.input_offset.double() * weight.sum(dim=1, dtype=torch.int64).double()
    total *= deq_scale(layer)
    return total + bias if getattr(layer, "adds_bias", False) and bias is not None else total


class SeenInput(NamedTuple):
    """An input as the layer sees it: x + rounding + clipping is what its int8 values stand for."""

    rounding: Tensor  # float64, the shape of x
    clipping: Tensor | None  # the same; None where nothing is clipped
    saturated: int  # int8 values at the end of their range
    clipped: int  # values of x beyond that range


def seen_input(layer: QuantizedLinear, x: Tensor) -> SeenInput:
    """What quantizing does to x (m, k), with the float32 arithmetic of the op."""
    wide = x.float()
    if layer.scheme == "w8a8_dynamic":
        scale = wide.abs().amax(dim=-1, keepdim=True) / 127
        q = torch.nan_to_num(torch.round(wide / scale)).clamp(-128, 127)
        return SeenInput(q.double() * scale.double() - x.double(), None, int((q.abs() >= 127).sum()), 0)
    scale, offset = layer.input_scale.float(), layer.input_offset.float()
    if getattr(layer, "reciprocal", False):
        v = wide * (1 / scale.to(x.dtype)).float() + offset
    else:
        v = wide / scale + offset
    q = torch.round(v)
    clipped = int(((q < -128) | (q > 127)).sum())
    q = torch.nan_to_num(q).clamp(-128, 127)
    saturated = int(((q == -128) | (q == 127)).sum())
    low, high = ((end - offset.double()) * scale.double() for end in (-128, 127))
    within = torch.minimum(torch.maximum(x.double(), low), high)
    rounding = (q.double() - offset.double()) * scale.double() - within
    return SeenInput(rounding, within - x.double() if clipped else None, saturated, clipped)
