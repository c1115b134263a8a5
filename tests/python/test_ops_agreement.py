"""CPU and Meta kernels agree for every rank, dtype and absence of every operand: same result or same refusal."""

import itertools

import a8w8  # noqa: F401
import pytest
import torch

NPU, OWN = torch.ops.npu, torch.ops.a8w8
DTYPES = (
    torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool,
    torch.float16, torch.bfloat16, torch.float32, torch.float64,
)  # fmt: skip


def outcome(op, args, kwargs):
    """Shapes and dtypes of the results, or the message."""
    try:
        results = op(*args, **kwargs)
    except RuntimeError as error:
        return str(error)
    return [(tuple(r.shape), r.dtype) for r in torch.utils._pytree.tree_leaves(results)]


def agree(op, *args, **kwargs) -> bool:
    """Asserts that both say the same; whether the call was accepted."""
    expected = outcome(op, args, kwargs)
    to_meta = torch.utils._pytree.tree_map_only(torch.Tensor, lambda t: t.to("meta"), (args, kwargs))
    assert outcome(op, *to_meta) == expected, (expected, outcome(op, *to_meta))
    return not isinstance(expected, str)


def ranks(last, up_to, dtype=torch.float32):
    """Tensors of rank 0 .. up_to that end in `last`, with ones before it."""
    for rank in range(up_to + 1):
        yield torch.ones((1,) * (rank - len(last)) + tuple(last[len(last) - min(rank, len(last)) :]), dtype=dtype)


def counts(outcomes):
    outcomes = list(outcomes)
    return sum(outcomes), len(outcomes) - sum(outcomes)


def test_quant_matmul_ranks():
    scale = torch.ones(4)
    for words, x2_shape in ((1, (8, 4)), (8, (1, 4))):  # int8, and int4 along k
        dtype = torch.int8 if words == 1 else torch.int32
        accepted, refused = counts(
            agree(NPU.npu_quant_matmul, x1, x2, scale, output_dtype=torch.float16)
            for x1, x2 in itertools.product(ranks((3, 8 // words), 8, dtype), ranks(x2_shape, 8, dtype))
        )
        assert accepted == (25 if words == 1 else 5) and accepted + refused == 81
    x1, x2 = torch.ones(2, 3, 8, dtype=torch.int8), torch.ones(8, 4, dtype=torch.int8)
    options = [
        (scale, offset, pertoken, bias, output)
        for scale, offset, pertoken, bias, output in itertools.product(
            ranks((4,), 2),
            [None, *ranks((4,), 2)],
            [None, *ranks((3,), 2)],
            [None, *ranks((4,), 4, torch.int32), torch.ones(2, 1, 4, dtype=torch.int32)],
            (torch.int8, torch.float16, torch.bfloat16, torch.int32),
        )
    ]
    accepted, refused = counts(
        agree(NPU.npu_quant_matmul, x1, x2, scale, offset=offset, pertoken_scale=p, bias=bias, output_dtype=output)
        for scale, offset, p, bias, output in options
    )
    assert accepted > 20 and refused > 500


def test_quant_matmul_dtypes_of_the_matrices():
    accepted, refused = counts(
        agree(
            NPU.npu_quant_matmul,
            torch.ones(3, 8, dtype=a),
            torch.ones(8, 4, dtype=b),
            torch.ones(s, dtype=c),
            output_dtype=o,
        )
        for a, b, c, o, s in itertools.product(DTYPES, DTYPES, DTYPES, (1, 5, 15, 3, 6, 0, None), (1, 4))
    )
    assert accepted > 10 and refused > 10000


def test_trans_quant_param():
    accepted, refused = counts(
        agree(NPU.npu_trans_quant_param, scale, offset, mode)
        for scale, offset, mode in itertools.product(
            [*ranks((4,), 3), torch.ones(0), torch.ones(3, 4), *(torch.ones(4, dtype=d) for d in DTYPES)],
            [None, *ranks((4,), 3), torch.ones(3), torch.ones(1, 4), torch.ones(4).half()],
            (None, 0, 1, 2, -1),
        )
    )
    assert accepted > 20 and refused > 100


def test_quantize():
    scales = [
        *ranks((8,), 3),
        torch.ones(1),
        torch.ones(2, 1),
        torch.ones(3),
        torch.ones(8).half(),
        torch.ones(8).int(),
    ]
    numbers = (
        torch.qint8,
        torch.quint8,
        torch.qint32,
        torch.quint4x2,
        torch.int8,
        torch.uint8,
        torch.int32,
        torch.half,
    )
    accepted, refused = counts(
        agree(NPU.npu_quantize, x, scale, zero, dtype, axis, div)
        for x, scale, zero, dtype, axis, div in itertools.product(
            [
                *ranks((2, 8), 3),
                torch.ones(2, 8).bfloat16(),
                torch.ones(2, 8).int(),
                torch.ones(2, 3),
                torch.ones(0, 8),
            ],
            scales,
            [None, torch.ones(8), torch.ones(1).int()],
            numbers,
            (-3, -2, -1, 0, 1, 2),
            (True, False),
        )
    )
    assert accepted > 500 and refused > 5000


def test_dynamic_quant():
    smooth = [None, *ranks((8,), 2), torch.ones(3, 8), torch.ones(8).half()]
    groups = [None, torch.tensor([2], dtype=torch.int32), torch.tensor([0, 1, 2], dtype=torch.int32), torch.tensor([2])]
    accepted, refused = counts(
        agree(NPU.npu_dynamic_quant, x, smooth_scales=s, group_index=g, dst_type=dst)
        for x, s, g, dst in itertools.product(
            [*ranks((2, 8), 8), torch.ones(2, 3), torch.ones(2, 0), *(torch.ones(2, 8, dtype=d) for d in DTYPES)],
            smooth,
            groups,
            (None, torch.int8, torch.quint4x2, torch.float16),
        )
    )
    assert accepted > 50 and refused > 500


def test_int4pack_and_layouts():
    accepted, refused = counts(
        agree(NPU.npu_convert_weight_to_int4pack, w)
        for d in DTYPES
        for w in (
            *ranks((2, 8), 4, d),
            torch.ones(2, 7, dtype=d),
            torch.ones(8, 8, dtype=d).t(),
            torch.ones(0, 8, dtype=d),
        )
    )
    assert accepted == 2 and refused > 50
    for x, c0 in itertools.product([*ranks((5, 40), 8), torch.ones(5, 40).int()], (None, 0, 8, 32, -1)):
        agree(OWN.to_fractal_nz, x, c0)
    for blocks, shape in itertools.product(ranks((3, 1, 16, 16), 6), ((5, 40), (5, 60), (1, 5, 40), (5,), ())):
        agree(OWN.from_fractal_nz, blocks, shape)
    for x, number in itertools.product(ranks((5, 40), 8), range(-1, 60)):
        agree(NPU._npu_format_cast, x, number)


@pytest.mark.parametrize("op", [OWN.linear_dynamic, OWN.linear_static])
def test_linears(op):
    weights = [*ranks((4, 8), 3, torch.int8), torch.ones(4, 8), torch.ones(0, 8, dtype=torch.int8)]
    vectors = [*ranks((4,), 3), torch.ones(4, 1), torch.ones(4).half(), torch.ones(4, dtype=torch.int64)]
    inputs = [*ranks((3, 8), 4), torch.ones(3, 8).half(), torch.ones(3, 8).int(), torch.ones(3, 7)]
    accepted = 0
    for x, weight, scale, bias in itertools.product(
        inputs, weights, vectors, [None, torch.ones(4), torch.ones(4).int()]
    ):
        if op is OWN.linear_dynamic:
            accepted += agree(op, x, weight, scale, bias)
        else:
            accepted += agree(op, x, torch.ones(1), torch.zeros(1), weight, scale, bias)
    for scale, offset in itertools.product(ranks((1,), 2), [*ranks((2,), 2), torch.ones(1).int()]):
        accepted += agree(OWN.linear_static, inputs[2], scale, offset, weights[2], torch.ones(4))
    for bias, reciprocal in itertools.product(vectors, [False, True]):
        fixed = (inputs[2], torch.ones(1), torch.zeros(1), weights[2], torch.ones(4))
        accepted += agree(OWN.linear_static, *fixed, bias=bias, reciprocal=reciprocal)
    assert accepted > 10
