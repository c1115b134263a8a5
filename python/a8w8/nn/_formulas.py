"""The numbers of a quantized layer as the tools of each format compute them: in the dtype of the float weight.

Every division and product below is one of that dtype, so a scale of a bfloat16 model has eight significant bits
wherever it is stored. What the tools do differently:

|                     | msmodelslim                  | compressed-tensors                           |
|---------------------|------------------------------|----------------------------------------------|
| symmetric scale     | max|x| / 127                 | max|x| / 127.5                               |
| range of weights    | -128..127; -127..127 dynamic | -128..127                                    |
| scale of a zero row | 2 ** -14 (ours)              | the dtype's epsilon                          |
| zero point          | rint(-min / scale) - 128     | rint(-128 - min / scale)                     |
| bias of static ones | inside quant_bias, rounded   | added as it is, quant_bias is the zero point |
"""

import torch
from torch import Tensor

FORMATS = ("msmodelslim", "compressed-tensors")

# Any value would do for the product; a small one keeps the rounding of the bias in quant_bias fine, and this one is the
# least normal float16.
_EMPTY_ROW_SCALE = 2.0**-14


def check_format(format: str) -> None:
    """ValueError unless the format is one of ours."""
    if format not in FORMATS:
        raise ValueError(f"format is {format!r}, allowed: {', '.join(map(repr, FORMATS))}")


def quantize_rows(weight: Tensor, scheme: str, format: str) -> tuple[Tensor, Tensor]:
    """int8 [n, k] and scales [n, 1] in the dtype of the weight."""
    if weight.dtype not in (torch.float32, torch.bfloat16, torch.float16):
        raise ValueError(f"weight is {weight.dtype}, allowed: torch.float32, torch.bfloat16, torch.float16")
    largest = weight.abs().amax(dim=1, keepdim=True)
    if not largest.isfinite().all():
        raise ValueError("weight holds NaN or infinity, allowed: finite values")
    scale = largest / _symmetric_steps(format)
    empty = torch.finfo(scale.dtype).eps if format == "compressed-tensors" else _EMPTY_ROW_SCALE
    scale = torch.where(scale == 0, empty, scale)
    least = -127 if format == "msmodelslim" and scheme == "w8a8_dynamic" else -128  # -127.5 occurs in bfloat16
    return torch.round(weight / scale).clamp(least, 127).to(torch.int8), scale


def input_params(
    input_range: tuple[float, float], dtype: torch.dtype, format: str, symmetric: bool
) -> tuple[Tensor, Tensor]:
    """input_scale and input_offset, [1] each, in `dtype`."""
    low, high = (torch.tensor([value], dtype=dtype) for value in (min(input_range[0], 0.0), max(input_range[1], 0.0)))
    scale = torch.maximum(-low, high) / _symmetric_steps(format) if symmetric else (high - low) / 255
    if not (scale.isfinite().all() and scale > 0):
        raise ValueError(f"input_range is {input_range}, allowed: finite and not only zero (in {dtype})")
    if symmetric:
        return scale, torch.zeros_like(scale)
    if format != "compressed-tensors":
        return scale, (torch.round(-low / scale) - 128).clamp(-128, 127)
    return scale, torch.round((-128 - low / scale).clamp(-128, 127))


def bias_inside(bias: Tensor | None, deq_scale: Tensor, input_offset: Tensor, weight: Tensor) -> Tensor:
    """quant_bias [n] with the float bias in it: rint(bias / deq_scale - input_offset * sum_k weight).

    The quotient is one of deq_scale's dtype, as in the tool; the rest is float32.
    """
    sums = _row_sums(weight).float()
    share = torch.zeros_like(sums) if bias is None else (bias / deq_scale).to(deq_scale.dtype).float()
    return _int32(torch.round(share - input_offset.float() * sums))


def zero_point_alone(input_offset: Tensor, weight: Tensor) -> Tensor | None:
    """quant_bias [n] without the bias, exact; None where the offset is 0."""
    offset = int(input_offset)
    return None if offset == 0 else _int32(-offset * _row_sums(weight))


def _symmetric_steps(format: str) -> float:
    return 127.5 if format == "compressed-tensors" else 127


def _row_sums(weight: Tensor) -> Tensor:
    return weight.sum(dim=1, dtype=torch.int64)


def _int32(quant_bias: Tensor) -> Tensor:
    if quant_bias.numel() and not quant_bias.abs().max() < 2**31:
        raise ValueError("quant_bias leaves int32: the bias is too large for the scales of inputs and weights")
    return quant_bias.to(torch.int32)
