"""Packed weights as operands: the bits of the plain weight, in eager mode and in graphs, and what is refused."""

import pytest
import torch
from a8w8 import ops
from torch._dynamo.testing import CompileCounterWithBackend

OWN = torch.ops.a8w8
N, K = 70, 96


def int8(*shape: int) -> torch.Tensor:
    return torch.randint(-128, 128, shape, dtype=torch.int8)


def words(*shape: int) -> torch.Tensor:
    return torch.randint(-(2**31), 2**31 - 1, shape, dtype=torch.int32)


WEIGHTS = {
    "int8": lambda: int8(N, K),
    "int8, transposed": lambda: int8(K, N).t(),
    "int8, with gaps": lambda: int8(N, 3 * K)[:, ::3],
    "int8 in FRACTAL_NZ": lambda: ops.format_cast(int8(N, K), 29),
    "int4": lambda: words(N, K // 8),
    "int4 in FRACTAL_NZ": lambda: ops.format_cast(words(N, K // 8), 29, customize_dtype=torch.int32),
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_unpacking_gives_the_weight_back(kind):
    weight = WEIGHTS[kind]()
    packed = ops.pack_weight(weight)
    again = ops.unpack_weight(packed, N, K, int4=weight.dtype == torch.int32)
    assert again.dtype == weight.dtype and torch.equal(again, weight)
    assert packed.dtype == torch.uint8 and packed.dim() == 1
    assert OWN.pack_weight(weight.to("meta")).shape == packed.shape
    assert ops.unpack_weight(packed.to("meta"), N, K, weight.dtype == torch.int32).shape == weight.shape


OPTIONS = [
    {"offset": torch.rand(N), "bias": torch.arange(N, dtype=torch.int32), "output_dtype": torch.int8},
    {"output_dtype": torch.int32},
    {"output_dtype": torch.float16},
    {"output_dtype": torch.bfloat16, "bias": torch.rand(N), "pertoken_scale": None},  # as long as m
]
# Of int4 the table has the last two rows only.
LEGAL = [(kind, options) for kind in WEIGHTS for options in OPTIONS[2 if "int4" in kind else 0 :]]


@pytest.mark.parametrize(
    ("kind", "options"), LEGAL, ids=lambda part: str(part.get("output_dtype") if isinstance(part, dict) else part)
)
@pytest.mark.parametrize("shape", [(1,), (7,), (40,), (2, 3)])
def test_quant_matmul_gives_the_bits_of_the_plain_weight(kind, options, shape):
    weight, scale = WEIGHTS[kind](), torch.rand(N) / 100
    x = words(*shape, K // 8) if weight.dtype == torch.int32 else int8(*shape, K)
    options = {**options, "pertoken_scale": torch.rand(shape[-1])} if "pertoken_scale" in options else options
    packed = ops.pack_weight(weight)
    expected = ops.quant_matmul(x, weight.t(), scale, **options)
    assert torch.equal(ops.quant_matmul_packed(x, packed, scale, n=N, **options), expected)

    def meta(operand):
        return operand.to("meta") if isinstance(operand, torch.Tensor) else operand

    on_meta = {name: meta(value) for name, value in options.items()}
    shape_only = ops.quant_matmul_packed(meta(x), meta(packed), meta(scale), n=N, **on_meta)
    assert (shape_only.shape, shape_only.dtype) == (expected.shape, expected.dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(), (1,), (30,), (2, 3)])
def test_linears_give_the_bits_of_the_plain_weight(dtype, shape):
    x, weight, scale, bias = torch.randn(*shape, K, dtype=dtype), int8(N, K), torch.rand(N, 1) / 100, torch.rand(N)
    packed = ops.pack_weight(weight)
    assert torch.equal(ops.linear_dynamic(x, packed, scale, bias), ops.linear_dynamic(x, weight, scale, bias))
    fixed = (torch.tensor([0.02]), torch.tensor([3.0]))
    rest = (scale.flatten(), torch.arange(N, dtype=torch.int32))
    assert torch.equal(ops.linear_static(x, *fixed, packed, *rest), ops.linear_static(x, *fixed, weight, *rest))


PLAIN, WORDS, SCALE = int8(N, K), words(N, K // 8), torch.rand(N) / 100
PACKED, PACKED4 = ops.pack_weight(PLAIN), ops.pack_weight(WORDS)
X, X4, XF = int8(5, K), words(5, K // 8), torch.randn(5, K)
CALLS = {
    "pack": (OWN.pack_weight, (PLAIN,), {}),
    "pack transposed": (OWN.pack_weight, (int8(K, N).t(),), {}),
    "pack int4": (OWN.pack_weight, (WORDS,), {}),
    "unpack": (OWN.unpack_weight, (PACKED, N, K), {}),
    "unpack int4": (OWN.unpack_weight, (PACKED4, N, K, True), {}),
    "matmul": (OWN.quant_matmul_packed, (X, PACKED, SCALE), {"n": N, "offset": torch.rand(N)}),
    "matmul int4": (OWN.quant_matmul_packed, (X4, PACKED4, SCALE), {"n": N, "output_dtype": 5}),
    "matmul pertoken": (
        OWN.quant_matmul_packed,
        (X, PACKED, SCALE),
        {"n": N, "pertoken_scale": torch.rand(5), "bias": torch.rand(N), "output_dtype": 15},
    ),
    "linear_dynamic": (OWN.linear_dynamic, (XF, PACKED, SCALE, torch.rand(N)), {}),
    "linear_static": (OWN.linear_static, (XF, torch.ones(1), torch.zeros(1), PACKED, SCALE), {}),
}


@pytest.mark.parametrize("call", CALLS)
def test_opcheck(call):
    op, args, kwargs = CALLS[call]
    torch.library.opcheck(op.default, args, kwargs)


@torch.no_grad()
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_graphs_are_compiled_once_for_all_batches(backend):
    torch._dynamo.reset()
    counter = CompileCounterWithBackend(backend)

    def f(x, x8, pertoken, packed):
        return (
            ops.quant_matmul_packed(x8, packed, SCALE, n=N, pertoken_scale=pertoken, output_dtype=torch.bfloat16),
            ops.linear_dynamic(x, packed, SCALE),
            ops.linear_static(x, torch.ones(1), torch.zeros(1), packed, SCALE),
            ops.unpack_weight(packed, N, K),
        )

    compiled = torch.compile(f, fullgraph=True, dynamic=True, backend=counter)
    for m in (3, 7, 24, 100):
        args = (torch.randn(m, K), int8(m, K), torch.rand(m), PACKED)
        for actual, expected in zip(compiled(*args), f(*args), strict=True):
            assert torch.equal(actual, expected)
    assert counter.frame_count == 1


def test_packing_itself_may_be_in_a_graph():
    torch._dynamo.reset()
    compiled = torch.compile(lambda w: ops.linear_dynamic(XF, ops.pack_weight(w), SCALE), fullgraph=True)
    assert torch.equal(compiled(PLAIN), ops.linear_dynamic(XF, PLAIN, SCALE))


def on_meta(*tensors: torch.Tensor) -> list[torch.Tensor]:
    return [tensor.to("meta") for tensor in tensors]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.pack_weight(int8(2, 3, 4)), r"weight has shape \(2, 3, 4\), but must be \(n, k\) and not empty"),
        (lambda: ops.pack_weight(int8(0, 4)), r"weight has shape \(0, 4\), but must be \(n, k\) and not empty"),
        (lambda: ops.pack_weight(XF), "weight is float32, but must be int8, or int32 with eight int4 a word"),
        (lambda: ops.pack_weight(PACKED), "weight is uint8, but must be int8, or int32"),
        (lambda: ops.unpack_weight(PLAIN, N, K), r"packed is int8 \(70, 96\), but must be uint8 with one dimension"),
        (lambda: ops.unpack_weight(PACKED, N, K + 1), r"is int8 \(70, 96\), but n, k and int4 say int8 \(70, 97\)"),
        (lambda: ops.unpack_weight(PACKED, N, K, True), r"is int8 \(70, 96\), but n, k and int4 say int32 \(70, 12\)"),
        (lambda: ops.unpack_weight(PACKED4, N, 12, True), "k is 12, but both must be positive, and k of int4"),
        (lambda: ops.quant_matmul_packed(X, PLAIN, SCALE, n=N), "packed is int8 .* as pack_weight makes it"),
        (lambda: ops.quant_matmul_packed(X, PACKED, SCALE, n=7), r"n is 7, but the packed weight is .* \(70, 96\)"),
        (lambda: ops.quant_matmul_packed(X, PACKED, SCALE, n=0), "n is 0, but must be positive"),
        (lambda: ops.quant_matmul_packed(X[:, 1:], PACKED, SCALE, n=N), "k of x1 .* is 95, but k of x2 .* is 96"),
        (lambda: ops.quant_matmul_packed(X4, PACKED, SCALE, n=N), "x1 is int32, but x2 is int8"),
        (lambda: ops.quant_matmul_packed(X, PACKED, SCALE[1:], n=N), r"scale has shape \(69,\)"),
        (lambda: ops.quant_matmul_packed(*on_meta(X, PACKED, SCALE[1:]), n=N), r"scale has shape \(69,\)"),
        (lambda: ops.linear_dynamic(XF, PACKED4, SCALE), "weight is int32, but must be int8"),
        (lambda: ops.linear_dynamic(XF[:, 1:], PACKED, SCALE), r"x has shape \(5, 95\), but for weight .* \(70, 96\)"),
        (lambda: ops.linear_dynamic(XF, PACKED, SCALE[1:]), r"weight_scale has shape \(69,\).* n = 70"),
        (lambda: ops.linear_dynamic(*on_meta(XF, PACKED, SCALE, SCALE[1:])), r"bias has shape \(69,\)"),
        (lambda: ops.linear_dynamic(XF, *on_meta(PACKED), SCALE), "cpu, but the other operands are on meta"),
        (lambda: ops.linear_dynamic(XF, PACKED[64:], SCALE), "do not begin with A8W8PACK"),
        (lambda: ops.linear_dynamic(XF, PACKED[:-1], SCALE), "its header is damaged"),
        (lambda: ops.linear_dynamic(XF, PACKED[:9], SCALE), "it has 9 bytes, which is less than its header"),
        (lambda: ops.linear_dynamic(XF, PACKED[1:], SCALE), "must be 64-byte aligned"),
        (lambda: ops.linear_dynamic(XF, PACKED.repeat(2)[::2], SCALE), "weight has gaps between its bytes"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(RuntimeError, match=message):
        call()
