"""The ops of `torch.ops.npu` and `torch.ops.a8w8` with types, defaults and documentation.

m, n, k are the sizes of the product (m, k) x (k, n). `rint` rounds half to even; every float operation is one IEEE
float32 operation, in the written order, so results are the same bits on every CPU. An operand that breaks a rule is a
RuntimeError that names the operand, what was given, what is allowed and the rule.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

# Looked up once: of a call of a small layer, the way into PyTorch is the longest part (see _calls.py).
_linear_dynamic = torch.ops.a8w8.linear_dynamic
_linear_static = torch.ops.a8w8.linear_static
_quant_matmul = torch.ops.npu.npu_quant_matmul
_quant_matmul_packed = torch.ops.a8w8.quant_matmul_packed


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
    """Int8 or int4 matmul with dequantization or requantization: `npu_quant_matmul`.

        acc = x1 @ x2                 int32, exact; += bias if that is int32
        y = acc * scale [* pertoken_scale[row]] [+ float bias]
        int8 output: clamp(clamp(rint(y), -256, 255) + rint(offset), -128, 127)

    Args:
        x1: int8 (..., m, k), 2 to 6 dims, any strides; or int32 (..., m, k/8), eight int4 a word (`pack_int4`).
        x2: int8 (..., k, n), any strides, batch dims broadcast against those of x1; or int32, either (k, n/8) or
            (k/8, n), the transposed view of a packed (n, k). May be in FRACTAL_NZ (`format_cast`).
        scale: (1,) or (n,): int64 words of `trans_quant_param`, float32 or bfloat16. A float32 scale without
            pertoken_scale and with int8 or float16 output is first reduced to 19 bits, as the device does.
        offset: float32 (1,) or (n,); int8 output only; ignored with an int64 scale, which carries its own.
        pertoken_scale: float32 (m,).
        bias: int32, float32, bfloat16 or float16 (n,), or (batch, 1, n) for a 3-D output.
        output_dtype: int8 (the default), float16, bfloat16 or int32.
        group_sizes: None or three values of 0 or 1, which have no effect; or [1, 1, g] for int4 operands with scales
            for each g elements of k: scale float32 (k/g, n), offset float16 (k/g, n), pertoken_scale (m,) or (m, 1).

    Returns:
        (..., m, n) of output_dtype. Which dtypes go together is a table of the product, see `a8w8.product()`.
    """
    return _quant_matmul(
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
        dtype: torch.qint8 or torch.int8; with div_mode also torch.quint8, torch.qint32 and their plain forms, without
            it also torch.quint4x2: -8 .. 7, eight to an int32 word.
        axis: the axis along which scales vary; with div_mode False -2, or else the last one.
        div_mode: divide by scales rather than multiply.

    Returns:
        int8, uint8 or int32 of the shape of x; for quint4x2 int32 with the last dim / 8.
    """
    return torch.ops.npu.npu_quantize(x, scales, zero_points, dtype, axis, div_mode)


def dynamic_quant(
    x: Tensor,
    *,
    smooth_scales: Tensor | None = None,
    group_index: Tensor | None = None,
    dst_type: torch.dtype | int | None = None,
) -> tuple[Tensor, Tensor]:
    """Quantizes each row with a scale of its own: `npu_dynamic_quant`.

    v = x [* smooth_scales]; scale = max|v| / 127 (int4: 7) over the last dim; result clamp(rint(v / scale)). A row of
    zeros has scale 0 and gives zeros.

    Args:
        x: float32, float16 or bfloat16 (..., h), at least 2-D.
        smooth_scales: (h,) of the dtype of x; with group_index (E, h).
        group_index: int32 (E,), not decreasing, the last one the number of rows: row e of smooth_scales belongs to rows
            group_index[e - 1] .. group_index[e] - 1 of x flattened to (rows, h).
        dst_type: torch.int8 (the default) or torch.quint4x2.

    Returns:
        int8 of the shape of x (quint4x2: int32, the last dim / 8), and the scales, float32 of shape x.shape[:-1].
    """
    return torch.ops.npu.npu_dynamic_quant(x, smooth_scales=smooth_scales, group_index=group_index, dst_type=dst_type)


def convert_weight_to_int4pack(weight: Tensor, inner_k_tiles: int = 0) -> Tensor:
    """Packs eight int4 of the last dim into an int32, element 0 lowest: `npu_convert_weight_to_int4pack`.

    Args:
        weight: int32, 2-D or 3-D, contiguous, last dim a multiple of 8; only the low four bits of each value count. In
            FRACTAL_NZ the words are in FRACTAL_NZ, too.
        inner_k_tiles: ignored.

    Returns:
        int32, the last dim / 8.
    """
    return torch.ops.npu.npu_convert_weight_to_int4pack(weight, inner_k_tiles)


def format_cast(x: Tensor, acl_format: int | Tensor, *, customize_dtype: torch.dtype | int | None = None) -> Tensor:
    """Gives a tensor another physical format: `npu_format_cast`.

    Values, sizes, strides, dtype and requires_grad stay. On a CPU results never depend on the format; it is remembered
    (`get_npu_format`), and the storage has the size of the blocks. A tensor of fewer than two dims stays ND.

    Args:
        x: any tensor.
        acl_format: ND (2), FRACTAL_NZ (29) or a base format, which only retags (NCHW 0, NHWC 1, ...); or a tensor
            whose format to take.
        customize_dtype: torch.int32 for an int32 tensor whose blocks are to be 8 columns wide, for instance int4 words.

    Returns:
        x itself if it is in the format, else a copy.
    """
    return torch.ops.npu.npu_format_cast(x, acl_format, customize_dtype=customize_dtype)


def format_cast_(x: Tensor, acl_format: int | Tensor, *, customize_dtype: torch.dtype | int | None = None) -> Tensor:
    """Gives a tensor another physical format in place: `npu_format_cast_`.

    Args:
        x: any tensor; all tensors that share its storage get the format.
        acl_format: as for `format_cast`; or a tensor of the shape of x whose values x takes over in its own format.
        customize_dtype: as for `format_cast`.

    Returns:
        x.
    """
    return torch.ops.npu.npu_format_cast_(x, acl_format, customize_dtype=customize_dtype)


def get_npu_format(x: Tensor) -> int:
    """The number of a tensor's format. A fresh one is NCHW (0) if 4-D, NCDHW (30) if 5-D, else ND (2)."""
    return torch.ops.npu.get_npu_format(x)


def to_fractal_nz(x: Tensor, c0: int | None = None) -> Tensor:
    """The bytes of x in FRACTAL_NZ order, as the device stores them.

    Args:
        x: (..., M, N), 2 to 6 dims, any strides.
        c0: columns of a block; None: those of x if it is in FRACTAL_NZ, else 32 for one-byte dtypes and 16 for others.

    Returns:
        (..., ceil(N/c0), ceil(M/16), 16, c0), zero padded, of the dtype of x.
    """
    return torch.ops.a8w8.to_fractal_nz(x, c0)


def from_fractal_nz(blocks: Tensor, shape: Sequence[int]) -> Tensor:
    """The tensor (..., M, N) of `shape` that blocks (..., N1, M1, 16, C0) hold: the inverse of `to_fractal_nz`."""
    return torch.ops.a8w8.from_fractal_nz(blocks, shape)


def pack_weight(weight: Tensor) -> Tensor:
    """Packs a weight once for the kernel that reads it: the same bits, sooner, most of all for 8 < m < 256.

    The plain weight is not needed afterwards. The bytes begin with a header that names the kernel, n and k; they mean
    something only to this version of the library on a CPU that has this kernel, and ops refuse them anywhere else: in
    files keep the plain weight.

    Args:
        weight: int8 (n, k), any strides, FRACTAL_NZ or not; or int32 (n, k/8), eight int4 a word.

    Returns:
        uint8 (bytes,), about n * k bytes, also where the elements were int4: twice what their words take.
    """
    return torch.ops.a8w8.pack_weight(weight)


def unpack_weight(packed: Tensor, n: int, k: int, int4: bool = False) -> Tensor:
    """The weight that `pack_weight` was given, contiguous and ND.

    Args:
        packed: the result of `pack_weight`.
        n: rows of the weight.
        k: its columns, in elements.
        int4: whether it was int32 (n, k/8), eight int4 a word.

    Returns:
        int8 (n, k), or int32 (n, k/8).
    """
    return torch.ops.a8w8.unpack_weight(packed, n, k, int4)


def quant_matmul_packed(
    x1: Tensor,
    packed: Tensor,
    scale: Tensor,
    *,
    n: int,
    offset: Tensor | None = None,
    pertoken_scale: Tensor | None = None,
    bias: Tensor | None = None,
    output_dtype: torch.dtype | int | None = None,
) -> Tensor:
    """`quant_matmul` with a packed weight (n, k) in place of x2, its transposed view.

    Args:
        x1: as for `quant_matmul`: int8, or int32 if the weight was int4.
        packed: the result of `pack_weight`.
        scale: as for `quant_matmul`.
        n: rows of the weight, columns of the result.
        offset, pertoken_scale, bias, output_dtype: as for `quant_matmul`.

    Returns:
        (..., m, n) of output_dtype, the bits of `quant_matmul` with the plain weight.
    """
    return _quant_matmul_packed(x1, packed, scale, n, offset, pertoken_scale, bias, output_dtype)


def linear_dynamic(x: Tensor, weight: Tensor, weight_scale: Tensor, bias: Tensor | None = None) -> Tensor:
    """Float in, float out, int8 inside, each row of x quantized with a scale of its own (msModelSlim W8A8_DYNAMIC).

        x_q, s = dynamic_quant(x);  y = (x_q @ weight.T) * weight_scale * s [+ bias]

    Args:
        x: float32, float16 or bfloat16 (..., k).
        weight: int8 (n, k), as checkpoints store it; or the result of `pack_weight`.
        weight_scale: (n,) or (n, 1), float.
        bias: (n,), float.

    Returns:
        (..., n) of the dtype of x.
    """
    return _linear_dynamic(x, weight, weight_scale, bias)


def linear_static(
    x: Tensor,
    input_scale: Tensor,
    input_offset: Tensor,
    weight: Tensor,
    deq_scale: Tensor,
    quant_bias: Tensor | None = None,
    *,
    bias: Tensor | None = None,
    reciprocal: bool = False,
) -> Tensor:
    """Float in, float out, int8 inside, x quantized with one calibrated scale (msModelSlim W8A8).

        x_q = clamp(rint(x / input_scale + input_offset));  y = (x_q @ weight.T [+ quant_bias]) * deq_scale [+ bias]

    Args:
        x: float32, float16 or bfloat16 (..., k).
        input_scale, input_offset: (1,), float.
        weight: int8 (n, k), as checkpoints store it; or the result of `pack_weight`.
        deq_scale: (n,), float32, or int64 with the bits of the float32 value in the low half.
        quant_bias: int32 (n,): the correction for input_offset; in msModelSlim's files also the float bias.
        bias: (n,), float, added after scaling: of layers whose bias is not in quant_bias (compressed-tensors).
        reciprocal: x * r in place of x / input_scale, with r = 1 / input_scale, where input_scale and then r are
            rounded to the dtype of x: what vLLM-Ascend computes.

    Returns:
        (..., n) of the dtype of x.
    """
    if bias is None and not reciprocal:  # keywords are looked up by name, which takes time
        return _linear_static(x, input_scale, input_offset, weight, deq_scale, quant_bias)
    return _linear_static(x, input_scale, input_offset, weight, deq_scale, quant_bias, bias=bias, reciprocal=reciprocal)
