"""npu_trans_quant_param, npu_quantize, npu_dynamic_quant: bits against the oracle, refusals in eager and Meta."""

import a8w8  # noqa: F401
import numpy as np
import oracle
import pytest
import torch
from op_support import TORCH, assert_same_bits, random_tensor, to_numpy

FLOATS = ("float32", "float16", "bfloat16")


def meta(*tensors):
    return [t if t is None else t.to("meta") for t in tensors]


@pytest.mark.parametrize("round_mode", [0, 1])
@pytest.mark.parametrize(
    "scale_shape,offset_shape",
    [((64,), None), ((64,), (64,)), ((1,), (64,)), ((64,), (1,)), ((1, 64), (1, 64)), ((1, 64), None), ((4, 1), None)],
)
def test_trans_quant_param(round_mode, scale_shape, offset_shape):
    rng = np.random.default_rng(1)
    scale = torch.from_numpy(rng.integers(0, 2**32, scale_shape, dtype=np.uint32).view(np.float32))
    offset = None if offset_shape is None else random_tensor(rng, "float32", offset_shape, -400, 400)
    actual = torch.ops.npu.npu_trans_quant_param(scale, offset, round_mode)
    expected = oracle.trans_quant_param(scale.numpy(), None if offset is None else offset.numpy(), round_mode)
    assert_same_bits(actual, expected, "int64")
    assert torch.ops.npu.npu_trans_quant_param(*meta(scale, offset), round_mode).shape == actual.shape


@pytest.mark.parametrize(
    "scale,offset,round_mode,message",
    [
        (torch.ones(3), None, 2, "round_mode is 2, but must be 0"),
        (torch.ones(3).double(), None, 0, "scale is float64, but must be float32"),
        (torch.ones(3), torch.ones(3).half(), 0, "offset is float16, but must be float32"),
        (torch.ones(3), torch.ones(2), 0, r"offset has shape \(2,\)"),
        (torch.ones(0), None, 0, "scale is empty"),
        (torch.ones(2, 3), torch.ones(2, 3), 0, "must be \\(1, n\\)"),
    ],
)
def test_trans_quant_param_refusals(scale, offset, round_mode, message):
    for operands in ((scale, offset), meta(scale, offset)):
        with pytest.raises(RuntimeError, match="npu_trans_quant_param: .*" + message):
            torch.ops.npu.npu_trans_quant_param(*operands, round_mode)


@pytest.mark.parametrize("x_dtype", FLOATS)
@pytest.mark.parametrize(
    "dtype,name", [(torch.qint8, "int8"), (torch.int8, "int8"), (torch.quint8, "uint8"), (torch.qint32, "int32")]
)
def test_quantize_by_division(x_dtype, dtype, name):
    rng = np.random.default_rng(2)
    x = random_tensor(rng, x_dtype, (3, 20, 37), -30, 30)
    for axis in (-3, 0, 1, 2, -1):
        n = x.shape[axis]
        for scale_dtype, zero_dtype in (
            ("float32", None),
            ("bfloat16", "int8"),
            ("float32", "bfloat16"),
            ("float32", "int32"),
        ):
            scales = random_tensor(rng, scale_dtype, (n,), 0.1, 4)
            zero_points = None if zero_dtype is None else random_tensor(rng, zero_dtype, (n,), 0, 40)
            actual = torch.ops.npu.npu_quantize(x, scales, zero_points, dtype, axis, True)
            zeros = None if zero_points is None else to_numpy(zero_points)
            expected = oracle.quantize(to_numpy(x), to_numpy(scales), zeros, f"q{name}", axis, True)
            assert_same_bits(actual, expected, name)
            assert torch.ops.npu.npu_quantize(*meta(x, scales, zero_points), dtype, axis, True).dtype == TORCH[name]


@pytest.mark.parametrize("x_dtype", FLOATS)
@pytest.mark.parametrize("axis", [-2, -1, 1, 0])
def test_quantize_by_multiplication(x_dtype, axis):
    rng = np.random.default_rng(3)
    x = random_tensor(rng, x_dtype, (3, 20, 37), -30, 30)
    n = 20 if axis == -2 else 37
    for scales in (random_tensor(rng, x_dtype, (n,), -4, 4), random_tensor(rng, x_dtype, (1,), -4, 4)):
        zero_points = random_tensor(rng, x_dtype, tuple(scales.shape), -20, 20)
        actual = torch.ops.npu.npu_quantize(x, scales, zero_points, torch.qint8, axis, False)
        expected = oracle.quantize(to_numpy(x), to_numpy(scales), to_numpy(zero_points), "qint8", axis, False)
        assert_same_bits(actual, expected, "int8")


def test_quantize_takes_default_arguments_and_strided_input():
    x = torch.randn(5, 8)
    scales = torch.rand(8) + 0.1
    expected = torch.from_numpy(oracle.quantize(x.numpy(), scales.numpy()))
    assert torch.equal(torch.ops.npu.npu_quantize(x, scales, None, torch.qint8), expected)
    assert torch.equal(torch.ops.npu.npu_quantize(x.t().contiguous().t(), scales, None, torch.qint8), expected)


def test_quantize_of_specials():
    x = torch.tensor([[np.nan, np.inf, -np.inf, 0.0, 1e-45, 3e38, 0.5, 1.5, 2.5, -0.5]])
    for scale in (1.0, 0.0, -1.0):
        actual = torch.ops.npu.npu_quantize(x, torch.tensor([scale]), None, torch.qint8, 1, True)
        assert_same_bits(actual, oracle.quantize(x.numpy(), np.array([scale], np.float32)), "int8")


def test_quantize_accepts_empty():
    y = torch.ops.npu.npu_quantize(torch.zeros(0, 4), torch.ones(1), None, torch.qint8, 1, True)
    assert y.shape == (0, 4)
    assert y.dtype == torch.int8


@pytest.mark.parametrize(
    "x,scales,zeros,dtype,axis,div_mode,message",
    [
        (
            torch.ones(2, 8),
            torch.ones(8),
            None,
            torch.quint4x2,
            1,
            True,
            "dtype is quint4x2, .* dtype must be int8, uint8",
        ),
        (torch.ones(2, 12), torch.ones(1), None, torch.quint4x2, -1, False, "must be a multiple of 8"),
        (
            torch.ones(2, 3),
            torch.ones(3),
            None,
            torch.float16,
            1,
            True,
            "dtype is float16, .* dtype must be int8, uint8 or int32",
        ),
        (torch.ones(2, 3), torch.ones(3), None, torch.quint8, -1, False, "dtype is uint8, .* must be int8"),
        (torch.ones(2, 3), torch.ones(2), None, torch.qint8, 1, True, r"scales has shape \(2,\)"),
        (torch.ones(2, 3), torch.ones(1, 3), None, torch.qint8, 1, True, r"scales has shape \(1, 3\)"),
        (torch.ones(2, 3), torch.ones(3), torch.ones(1).int(), torch.qint8, 1, True, "must have the same shape"),
        (torch.ones(2, 3), torch.ones(3), None, torch.qint8, 2, True, "axis is 2, but x .* allows -2 to 1"),
        (torch.ones(3), torch.ones(3), None, torch.qint8, -2, False, "axis is -2"),
        (torch.ones(2, 3).int(), torch.ones(3), None, torch.qint8, 1, True, "x is int32"),
        (torch.tensor(1.0), torch.ones(1), None, torch.qint8, 0, True, "x has no dimension"),
    ],
)
def test_quantize_refusals(x, scales, zeros, dtype, axis, div_mode, message):
    for operands in ((x, scales, zeros), meta(x, scales, zeros)):
        with pytest.raises(RuntimeError, match="npu_quantize: .*" + message):
            torch.ops.npu.npu_quantize(*operands, dtype, axis, div_mode)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 1), (5, 64), (3, 7, 33), (2, 2, 2, 200)])
@pytest.mark.parametrize("smooth", [False, True])
def test_dynamic_quant(dtype, shape, smooth):
    rng = np.random.default_rng(4)
    x = random_tensor(rng, dtype, shape, -5, 5)
    x.view(-1, shape[-1])[0] = 0
    smooth_scales = random_tensor(rng, dtype, shape[-1:], 0, 2) if smooth else None
    y, scale = torch.ops.npu.npu_dynamic_quant(x, smooth_scales=smooth_scales)
    expected_y, expected_scale = oracle.dynamic_quant(to_numpy(x), to_numpy(smooth_scales) if smooth else None)
    assert_same_bits(y, expected_y, "int8")
    assert_same_bits(scale, expected_scale, "float32")
    meta_y, meta_scale = torch.ops.npu.npu_dynamic_quant(x.to("meta"), smooth_scales=meta(smooth_scales)[0])
    assert (meta_y.shape, meta_y.dtype, meta_scale.shape, meta_scale.dtype) == (
        y.shape,
        y.dtype,
        scale.shape,
        scale.dtype,
    )


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("dst", ["int8", "quint4x2"])
@pytest.mark.parametrize("groups", [0, 1, 5])
def test_dynamic_quant_with_groups_and_to_int4(dtype, dst, groups):
    rng = np.random.default_rng(5)
    x = random_tensor(rng, dtype, (2, 16, 40), -5, 5)
    options, arrays = {}, {}
    if groups:
        ends = np.sort(rng.integers(0, 33, groups)).astype(np.int32)
        ends[-1] = 32
        options["smooth_scales"] = random_tensor(rng, dtype, (groups, 40), 0, 2)
        options["group_index"] = torch.from_numpy(ends)
        arrays = {"smooth_scales": to_numpy(options["smooth_scales"]), "group_index": ends}
    dst_type = None if dst == "int8" else torch.quint4x2
    y, scale = torch.ops.npu.npu_dynamic_quant(x, **options, dst_type=dst_type)
    expected_y, expected_scale = oracle.dynamic_quant(to_numpy(x), **arrays, dst=dst)
    assert_same_bits(y, expected_y, "int8" if dst == "int8" else "int32")
    assert_same_bits(scale, expected_scale, "float32")
    on_meta = {name: t.to("meta") for name, t in options.items()}
    meta_y, meta_scale = torch.ops.npu.npu_dynamic_quant(x.to("meta"), **on_meta, dst_type=dst_type)
    assert (meta_y.shape, meta_y.dtype) == (y.shape, y.dtype)
    assert meta_scale.shape == scale.shape


@pytest.mark.parametrize("x_dtype", FLOATS)
@pytest.mark.parametrize("axis", [-2, -1])
@pytest.mark.parametrize("per_axis", [False, True])
def test_quantize_to_int4(x_dtype, axis, per_axis):
    rng = np.random.default_rng(6)
    x = random_tensor(rng, x_dtype, (3, 20, 40), -3, 3)
    n = x.shape[axis] if per_axis else 1
    scales, zero_points = random_tensor(rng, x_dtype, (n,), -4, 4), random_tensor(rng, x_dtype, (n,), -2, 2)
    actual = torch.ops.npu.npu_quantize(x, scales, zero_points, torch.quint4x2, axis, False)
    expected = oracle.quantize(to_numpy(x), to_numpy(scales), to_numpy(zero_points), "quint4x2", axis, False)
    assert_same_bits(actual, expected, "int32")
    on_meta = torch.ops.npu.npu_quantize(*meta(x, scales, zero_points), 16, axis, False)
    assert (on_meta.shape, on_meta.dtype) == (actual.shape, torch.int32)


def test_dynamic_quant_of_specials():
    x = torch.tensor([[1.0, np.inf, 2.0], [np.nan, 1.0, 2.0], [0.0, -0.0, 0.0], [1e-45, 1e-40, 0.0]])
    y, scale = torch.ops.npu.npu_dynamic_quant(x)
    expected_y, expected_scale = oracle.dynamic_quant(x.numpy())
    assert_same_bits(y, expected_y, "int8")
    assert_same_bits(scale, expected_scale, "float32")


@pytest.mark.parametrize(
    "kwargs,message",
    [
        ({"quant_mode": "perchannel"}, 'quant_mode is "perchannel", but must be "pertoken"'),
        ({"dst_type_max": 1.0}, "dst_type_max is 1"),
        ({"dst_type": torch.quint4x2}, "the last dimension of input .* is 4, but for quint4x2 it must be a multiple"),
        ({"dst_type": torch.float16}, "dst_type is float16, but must be None, int8 or quint4x2"),
        ({"group_index": torch.ones(1, dtype=torch.int32)}, "group_index is given without smooth_scales"),
        ({"smooth_scales": torch.ones(3)}, r"smooth_scales has shape \(3,\)"),
        ({"smooth_scales": torch.ones(4).half()}, "smooth_scales is float16, but must be float32"),
    ],
)
def test_dynamic_quant_refusals(kwargs, message):
    with pytest.raises(RuntimeError, match="npu_dynamic_quant: " + message):
        torch.ops.npu.npu_dynamic_quant(torch.ones(2, 4), **kwargs)


def test_dynamic_quant_refuses_vectors():
    with pytest.raises(RuntimeError, match=r"input has shape \(4,\), but must have 2 to 8 dimensions"):
        torch.ops.npu.npu_dynamic_quant(torch.ones(4))
