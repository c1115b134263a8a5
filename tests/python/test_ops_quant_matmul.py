"""npu_quant_matmul: every combination of dtypes, bits against the oracle, the same refusals in eager and Meta."""

import itertools

import a8w8  # noqa: F401
import numpy as np
import oracle
import pytest
import torch
from op_support import TORCH, assert_same_bits, matmul_is_legal_alike, random_tensor, to_numpy

OP = torch.ops.npu.npu_quant_matmul
ROWS = [row for row in oracle.TABLE if row[0] == "int8"]  # int4: test_ops_int4.py


def operands(rng, shape, scale, offset, bias, pertoken, dims=2):
    """Torch operands of the given dtypes ('N' = absent) for shape (m, n, k)."""
    m, n, k = shape
    batch = (2, 3, 2, 2)[: dims - 2]
    call = {
        "x1": random_tensor(rng, "int8", (*batch, m, k), -128, 127),
        "x2": random_tensor(rng, "int8", (n, k), -128, 127).t(),
        "scale": random_tensor(rng, "float32", (n,), -0.01, 0.01),
    }
    if scale == "int64":
        call["scale"] = torch.from_numpy(
            oracle.trans_quant_param(call["scale"].numpy(), rng.uniform(-90, 90, n).astype("f4"))
        )
    else:
        call["scale"] = call["scale"].to(TORCH[scale])
    if offset != "N":
        call["offset"] = random_tensor(rng, offset, (n,), -100, 100)
    if bias != "N":
        call["bias"] = random_tensor(rng, bias, (n,), -9999, 9999)
    if pertoken != "N":
        call["pertoken_scale"] = random_tensor(rng, pertoken, (m,), 0, 2)
    return call


def expect(call, output, **kwargs):
    """The oracle's answer to the same call."""
    arrays = {name: to_numpy(t) for name, t in call.items()}
    if call["scale"].dtype == torch.bfloat16:
        kwargs["scale_dtype"] = "bfloat16"
    if "bias" in call and call["bias"].dtype == torch.bfloat16:
        kwargs["bias_dtype"] = "bfloat16"
    return oracle.quant_matmul(**arrays, output_dtype=output, **kwargs)


def combinations(rows):
    for row in rows:
        yield from itertools.product(*(sorted(cell) for cell in row[1:]))


@pytest.mark.parametrize("scale,offset,bias,pertoken,output", sorted(set(combinations(ROWS))))
def test_every_row_gives_the_oracles_bits(scale, offset, bias, pertoken, output):
    rng = np.random.default_rng(1)
    for shape, dims in (((5, 33, 70), 2), ((1, 130, 64), 2), ((20, 17, 9), 3), ((3, 5, 31), 6)):
        call = operands(rng, shape, scale, offset, bias, pertoken, dims)
        actual = OP(**call, output_dtype=TORCH[output])
        assert_same_bits(actual, expect(call, output), output)


def test_every_other_combination_is_refused_alike_in_eager_and_meta():
    rng = np.random.default_rng(2)
    dtypes = ("int8", "int32", "int64", "float16", "bfloat16", "float32")
    optional = ("N", "int32", "float16", "bfloat16", "float32")
    refused = 0
    for scale, output in itertools.product(dtypes, dtypes):
        if scale == "int64":
            tensors = operands(rng, (2, 3, 4), "int64", "N", "N", "N")
        else:
            tensors = operands(rng, (2, 3, 4), "float32", "N", "N", "N")
            tensors["scale"] = tensors["scale"].to(TORCH[scale])
        for offset, bias, pertoken in itertools.product(
            ("N", "float32", "float16"), optional, ("N", "float32", "float16")
        ):
            call = dict(tensors)
            for name, dtype, size in (("offset", offset, 3), ("bias", bias, 3), ("pertoken_scale", pertoken, 2)):
                if dtype != "N":
                    call[name] = torch.ones(size, dtype=TORCH[dtype])
            legal = oracle.combination_ok("int8", scale, offset, bias, pertoken, output)
            refused += not matmul_is_legal_alike(call, output, legal)
    assert refused > 1000


def test_output_dtype_defaults_to_int8():
    call = operands(np.random.default_rng(3), (4, 5, 6), "float32", "float32", "int32", "N")
    assert_same_bits(OP(**call), expect(call, "int8"), "int8")


@pytest.mark.parametrize("seed", range(40))
def test_random_shapes_broadcast_and_strides(seed):
    rng = np.random.default_rng(seed)
    m, n, k = (int(v) for v in rng.integers(1, 90, 3))
    rank = int(rng.integers(0, 4))
    batch = rng.integers(1, 4, rank)
    batch1 = tuple(int(b) if rng.integers(3) else 1 for b in batch)
    batch2 = tuple(int(b) if rng.integers(3) else 1 for b in batch)[int(rng.integers(0, rank + 1)) :]
    x1 = (
        random_tensor(rng, "int8", (*batch1, k, m), -128, 127).transpose(-1, -2)
        if rng.integers(2)
        else random_tensor(rng, "int8", (*batch1, m, 2 * k), -128, 127)[..., ::2]
    )
    x2 = random_tensor(rng, "int8", (*batch2, k, n), -128, 127)
    if rng.integers(2):
        x2 = x2.transpose(-1, -2).contiguous().transpose(-1, -2)
    call = {"x1": x1, "x2": x2, "scale": random_tensor(rng, "float32", (n if rng.integers(2) else 1,), -0.01, 0.01)}
    out_batch = np.broadcast_shapes(batch1, batch2)
    if len(out_batch) == 1 and rng.integers(2):
        call["bias"] = random_tensor(rng, "int32", (out_batch[0], 1, n), -9999, 9999)
    output = ("int8", "float16", "bfloat16", "int32")[seed % 4]
    actual = OP(**call, output_dtype=TORCH[output])
    assert actual.is_contiguous()
    assert_same_bits(actual, expect(call, output), output)
    assert OP(**{name: t.to("meta") for name, t in call.items()}, output_dtype=TORCH[output]).shape == actual.shape


@pytest.mark.parametrize("m,n,k", [(1, 1, 1), (1, 7, 65535), (30, 1, 65535), (9, 64, 1), (1, 1, 64)])
def test_corner_shapes(m, n, k):
    for output in ("int8", "float16", "bfloat16", "int32"):
        call = operands(np.random.default_rng(4), (m, n, k), "float32", "N", "N", "N")
        assert_same_bits(OP(**call, output_dtype=TORCH[output]), expect(call, output), output)


@pytest.mark.parametrize("a", [-128, 127])
@pytest.mark.parametrize("b", [-128, 127])
def test_extreme_values_do_not_saturate(a, b):
    x1, x2 = torch.full((9, 65535), a, dtype=torch.int8), torch.full((65535, 3), b, dtype=torch.int8)
    y = OP(x1, x2, torch.ones(3), output_dtype=torch.int32)
    assert (y == a * b * 65535).all()


def test_zero_rows_and_non_finite_scales():
    rng = np.random.default_rng(5)
    for output in ("int8", "float16", "bfloat16"):
        call = operands(rng, (6, 8, 16), "float32", "N", "N", "N")
        call["x1"][2] = 0
        call["scale"] = torch.tensor([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, 3e38, -1e-30], dtype=torch.float32)
        assert_same_bits(OP(**call, output_dtype=TORCH[output]), expect(call, output), output)


@pytest.mark.parametrize(
    "change,message",
    [
        ({"x1": torch.zeros(8, dtype=torch.int8)}, "x1 has 1 dimensions"),
        ({"x1": torch.zeros((1,) * 9, dtype=torch.int8)}, "x1 has 9 dimensions"),
        ({"x1": torch.zeros(0, 4, dtype=torch.int8)}, "x1 is empty"),
        ({"x2": torch.zeros(5, 3, dtype=torch.int8)}, "k of x1 .* is 4, but k of x2 .* is 5"),
        ({"x2": torch.zeros(4, 3, dtype=torch.int32)}, "x1 is int8, but x2 is int32"),
        ({"scale": torch.ones(2)}, r"scale has shape \(2,\), but must be \(1,\) or \(n,\) with n = 3"),
        ({"scale": torch.ones(3, dtype=torch.complex64)}, "scale is ComplexFloat"),
        ({"scale": torch.ones(3, device="meta")}, "scale is on meta|other operands"),
        ({"bias": torch.ones(1, dtype=torch.int32)}, r"bias has shape \(1,\)"),
        ({"output_dtype": torch.complex64}, "output_dtype is ComplexFloat"),
        ({"output_dtype": 285}, "output_dtype is no torch.dtype"),
        ({"x1_dtype": 1}, "x1_dtype is given, but must be None"),
        ({"y_scale": torch.ones(1)}, "y_scale is given, but must be None"),
        ({"group_sizes": [1, 1, 256]}, "the nearest, row 9, wants .* x1 int32"),
    ],
)
def test_refusals_name_operand_value_and_rule(change, message):
    x1, x2 = torch.zeros(2, 4, dtype=torch.int8), torch.zeros(4, 3, dtype=torch.int8)
    call = {"x1": x1, "x2": x2, "scale": torch.ones(3), "output_dtype": torch.float16}
    with pytest.raises(RuntimeError, match=message):
        OP(**{**call, **change})


def test_neutral_group_sizes_have_no_effect():
    call = operands(np.random.default_rng(6), (4, 5, 6), "float32", "N", "N", "N")
    for sizes in ([0, 0, 0], [1, 1, 1]):
        assert torch.equal(OP(**call, group_sizes=sizes), OP(**call))


@pytest.fixture
def atlas_inference():
    torch.ops.a8w8.set_product("atlas-inference")
    yield
    torch.ops.a8w8.set_product("atlas-a2")


def test_atlas_inference_has_its_own_table(atlas_inference):
    call = operands(np.random.default_rng(7), (4, 5, 6), "float32", "N", "int32", "N")
    assert_same_bits(OP(**call, output_dtype=torch.float16), expect(call, "float16", product="310P"), "float16")
    with pytest.raises(RuntimeError, match="Atlas inference table allows int8 or float16"):
        OP(**call, output_dtype=torch.bfloat16)
    with pytest.raises(RuntimeError, match="pertoken_scale is float32.* Atlas inference table allows none"):
        OP(**call, pertoken_scale=torch.ones(4), output_dtype=torch.float16)


def test_unknown_product_is_refused():
    with pytest.raises(RuntimeError, match='product "atlas-9000" is unknown; known are "atlas-a2"'):
        torch.ops.a8w8.set_product("atlas-9000")
