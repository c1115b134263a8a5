"""The ops of `torch.ops.npu` and `torch.ops.a8w8` with types, defaults and documentation.

m, n, k are the sizes of the product (m, k) x (k, n). `rint` rounds half to even; every float operation is one IEEE
float32 operation, in the written order, so results are the same bits on every CPU. An operand that breaks a rule is a
RuntimeError that names the operand, what was given, what is allowed and the rule.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def quant_matmul(
    x1: Tensor,
    x2: Tensor,
    scale: Tensor,
    *,
    offset: Tensor | None = None,
    pertoken_scale: Tensor | None = None,
    bias: Tensor | None = None,
    output_dtype: torch.dtype | int | None = None,
    group_sizes: Sequence[int] | None = None,
) -> Tensor:
    """Int8 matmul with dequantization or requantization: `npu_quant_matmul`.

        acc = x1 @ x2                 int32, exact; += bias if that is int32
        y = acc * scale [* pertoken_scale[row]] [+ float bias]
        int8 output: clamp(clamp(rint(y), -256, 255) + rint(offset), -128, 127)

    Args:
        x1: int8 (..., m, k), 2 to 6 dims, any strides.
        x2: int8 (..., k, n), any strides; batch dims broadcast against those of x1.
        scale: (1,) or (n,): int64 words of `trans_quant_param`, float32 or bfloat16. A float32 scale without
            pertoken_scale and with int8 or float16 output is first reduced to 19 bits, as the device does.
        offset: float32 (1,) or (n,); int8 output only; ignored with an int64 scale, which carries its own.
        pertoken_scale: float32 (m,).
        bias: int32, float32, bfloat16 or float16 (n,), or (batch, 1, n) for a 3-D output.
        output_dtype: int8 (the default), float16, bfloat16 or int32.
        group_sizes: None or three values of 0 or 1, which have no effect.

    Returns:
        (..., m, n) of output_dtype. Which dtypes go together is a table of the product, see `a8w8.product()`.
    """
    return torch.ops.npu.npu_quant_matmul(
        x1,
        x2,
        scale,
        offset=offset,
        pertoken_scale=pertoken_scale,
        bias=bias,
        output_dtype=output_dtype,
        group_sizes=group_sizes,
    )


def trans_quant_param(scale: Tensor, offset: Tensor | None = None, round_mode: int = 0) -> Tensor:
    """Packs scale and offset into the 64-bit words that the device takes: `npu_trans_quant_param`.

    Bits 0-31: the scale reduced to 19 bits (round_mode 0 truncates, 1 rounds to nearest even). Bits 37-45: rint(offset)
    clamped to [-256, 255]. Bit 46: one.

    Args:
        scale: float32 (t,), t = 1 or n.
        offset: float32 (1,) or (n,); lengths of 1 broadcast.
        round_mode: 0 or 1.

    Returns:
        int64 of the broadcast length.
    """
    return torch.ops.npu.npu_trans_quant_param(scale, offset, round_mode)


def quantize(
    x: Tensor,
    scales: Tensor,
    zero_points: Tensor | None = None,
    dtype: torch.dtype | int = torch.qint8,
    axis: int = 1,
    div_mode: bool = True,
) -> Tensor:
    """Quantizes with given scales: `npu_quantize`.

    clamp(rint(x / scales + zero_points)), or x * scales with div_mode False. Results are plain integer tensors.

    Args:
        x: float32, float16 or bfloat16, any shape.
        scales: (1,) or (x.size(axis),), float32 or bfloat16 (with div_mode False also float16).
        zero_points: None, or the length of scales.
        dtype: torch.qint8 or torch.int8; with div_mode also torch.quint8, torch.qint32 and their plain forms.
        axis: the axis along which scales vary; with div_mode False -2, or else the last one.
        div_mode: divide by scales rather than multiply.

    Returns:
        int8, uint8 or int32 of the shape of x.
    """
    return torch.ops.npu.npu_quantize(x, scales, zero_points, dtype, axis, div_mode)


def dynamic_quant(x: Tensor, *, smooth_scales: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Quantizes each row with a scale of its own: `npu_dynamic_quant`.

    v = x [* smooth_scales]; scale = max|v| / 127 over the last dim; result clamp(rint(v / scale)). A row of zeros has
    scale 0 and gives zeros.

    Args:
        x: float32, float16 or bfloat16 (..., h), at least 2-D.
        smooth_scales: (h,) of the dtype of x.

    Returns:
        int8 of the shape of x, and the scales, float32 of shape x.shape[:-1].
    """
    return torch.ops.npu.npu_dynamic_quant(x, smooth_scales=smooth_scales)


def linear_dynamic(x: Tensor, weight: Tensor, weight_scale: Tensor, bias: Tensor | None = None) -> Tensor:
    """Float in, float out, int8 inside, each row of x quantized with a scale of its own (msModelSlim W8A8_DYNAMIC).

        x_q, s = dynamic_quant(x);  y = (x_q @ weight.T) * weight_scale * s [+ bias]

    Args:
        x: float32, float16 or bfloat16 (..., k).
        weight: int8 (n, k), as checkpoints store it.
        weight_scale: (n,) or (n, 1), float.
        bias: (n,), float.

    Returns:
        (..., n) of the dtype of x.
    """
    return torch.ops.a8w8.linear_dynamic(x, weight, weight_scale, bias)


def linear_static(
    x: Tensor,
    input_scale: Tensor,
    input_offset: Tensor,
    weight: Tensor,
    deq_scale: Tensor,
    quant_bias: Tensor | None = None,
) -> Tensor:
    """Float in, float out, int8 inside, x quantized with one calibrated scale (msModelSlim W8A8).

        x_q = clamp(rint(x / input_scale + input_offset));  y = (x_q @ weight.T + quant_bias) * deq_scale

    Args:
        x: float32, float16 or bfloat16 (..., k).
        input_scale, input_offset: (1,), float.
        weight: int8 (n, k), as checkpoints store it.
        deq_scale: (n,), float32, or int64 with the bits of the float32 value in the low half.
        quant_bias: int32 (n,): the float bias and the correction for input_offset in one.

    Returns:
        (..., n) of the dtype of x.
    """
    return torch.ops.a8w8.linear_static(x, input_scale, input_offset, weight, deq_scale, quant_bias)
