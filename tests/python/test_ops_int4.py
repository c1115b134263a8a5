"""int4 operands, per-group scales and int4 packing: bits against the oracle, refusals alike in eager and Meta."""

import itertools

import numpy as np
import oracle
import pytest
import torch
from a8w8 import ops
from op_support import TORCH, assert_same_bits, matmul_is_legal_alike, random_tensor, to_numpy

OP = torch.ops.npu.npu_quant_matmul
ROWS = [row for row in oracle.TABLE if row[0] == "int4"]
DTYPES = ("int8", "int32", "int64", "float16", "bfloat16", "float32")


def int4(rng, *shape):
    return rng.integers(-8, 8, shape).astype(np.int8)


def packed(values, transposed=False):
    """(k, n) -> words along n, or along k as the transposed view of a packed (n, k)."""
    if transposed:
        return torch.from_numpy(oracle.pack_int4(values.T)).t()
    return torch.from_numpy(oracle.pack_int4(values))


def combinations():
    for row in ROWS:
        yield from itertools.product(*(sorted(cell) for cell in row[1:]))


def optional_operands(rng, m, n, scale, bias, pertoken):
    call = {"scale": random_tensor(rng, "float32", (n,), -0.1, 0.1)}
    if scale == "int64":
        call["scale"] = torch.from_numpy(oracle.trans_quant_param(call["scale"].numpy()))
    else:
        call["scale"] = call["scale"].to(TORCH[scale])
    if bias != "N":
        call["bias"] = random_tensor(rng, bias, (n,), -999, 999)
    if pertoken != "N":
        call["pertoken_scale"] = random_tensor(rng, pertoken, (m,), 0, 2)
    return call


def expect(x1, x2, call, output):
    names = {"scale_dtype": "scale", "bias_dtype": "bias"}
    dtypes = {key: "bfloat16" for key, op in names.items() if op in call and call[op].dtype == torch.bfloat16}
    arrays = {name: to_numpy(t) for name, t in call.items()}
    return oracle.quant_matmul(x1, x2, **arrays, **dtypes, output_dtype=output, int4=True)


@pytest.mark.parametrize("scale,offset,bias,pertoken,output", sorted(set(combinations())))
@pytest.mark.parametrize("transposed", [False, True])
def test_every_row_gives_the_oracles_bits(scale, offset, bias, pertoken, output, transposed):
    rng = np.random.default_rng(1)
    assert offset == "N"
    for batch, m, n, k in (((), 5, 40, 72), ((3,), 1, 8, 8), ((2, 2), 26, 64, 320)):
        x1, x2 = int4(rng, *batch, m, k), int4(rng, k, n)
        call = optional_operands(rng, m, n, scale, bias, pertoken)
        words1, words2 = torch.from_numpy(oracle.pack_int4(x1)), packed(x2, transposed)
        assert_same_bits(OP(words1, words2, **call, output_dtype=TORCH[output]), expect(x1, x2, call, output), output)
        blocks = ops.format_cast(words2.t().contiguous() if transposed else words2, 29, customize_dtype=torch.int32)
        from_nz = OP(words1, blocks.t() if transposed else blocks, **call, output_dtype=TORCH[output])
        assert_same_bits(from_nz, expect(x1, x2, call, output), output)


def test_every_other_combination_is_refused_alike_in_eager_and_meta():
    refused = 0
    words = torch.zeros(2, 1, dtype=torch.int32)
    optional = ("N", "int32", "float16", "bfloat16", "float32")
    for scale, output, offset, bias, pertoken in itertools.product(
        DTYPES, DTYPES, ("N", "float32", "float16"), optional, ("N", "float32", "float16")
    ):
        call = {"x1": words, "x2": torch.zeros(8, 1, dtype=torch.int32), "scale": torch.ones(8, dtype=TORCH[scale])}
        for name, dtype, size in (("offset", offset, 8), ("bias", bias, 8), ("pertoken_scale", pertoken, 2)):
            if dtype != "N":
                call[name] = torch.ones(size, dtype=TORCH[dtype])
        legal = oracle.combination_ok("int4", scale, offset, bias, pertoken, output)
        if matmul_is_legal_alike(call, output, legal):
            assert OP(**call, output_dtype=TORCH[output]).shape == (2, 8)
        else:
            refused += 1
    assert refused > 1000


@pytest.mark.parametrize(
    "change,message",
    [
        ({"x2": torch.zeros(3, 8, dtype=torch.int32)}, r"holds k = 32 int4 a row, so x2 \(3, 8\) must be \(k / 8, n\)"),
        ({"x2": torch.zeros(1, 4, 8, dtype=torch.int32)}, "for int4 in int32 words it must be 2-D"),
        ({"x2": torch.zeros(4, 8, dtype=torch.int8)}, "x1 is int32, but x2 is int8"),
        ({"bias": torch.zeros(1, 1, 8, dtype=torch.int32)}, r"for int4 it must be \(n,\)"),
        ({"output_dtype": None}, "output_dtype is int8, but .* allows float16"),
        ({"output_dtype": torch.bfloat16}, "pertoken_scale is missing|output_dtype is bfloat16"),
        ({"group_sizes": []}, r"group_sizes is \(\), but must be None or three numbers from 0 to 65535"),
        ({"group_sizes": [1, 1]}, r"group_sizes is \(1, 1\), but must be None or three numbers from 0 to 65535"),
        ({"group_sizes": [1, 1, -2]}, r"group_sizes is \(1, 1, -2\), but must be None or three numbers"),
        ({"group_sizes": [1, 2, 256]}, "only the last number, the group along k, may be above 1"),
        ({"group_sizes": [1, 1, 16]}, "the nearest, row 9, wants"),
    ],
)
def test_refusals_name_operand_value_and_rule(change, message):
    call = {
        "x1": torch.zeros(2, 4, dtype=torch.int32),
        "x2": torch.zeros(4, 8, dtype=torch.int32),
        "scale": torch.ones(8),
        "output_dtype": torch.float16,
    } | change
    meta = {name: t.to("meta") if isinstance(t, torch.Tensor) else t for name, t in call.items()}
    for operands in (call, meta):
        with pytest.raises(RuntimeError, match="npu_quant_matmul: .*" + message):
            OP(**operands)


def grouped(rng, m, n, k, group):
    x1, x2 = int4(rng, m, k), int4(rng, k, n)
    return {
        "x1": x1,
        "x2": x2,
        "scale": rng.uniform(0, 0.1, (k // group, n)).astype(np.float32),
        "offset": rng.integers(-8, 8, (k // group, n)).astype(np.float16),
        "pertoken_scale": rng.uniform(0, 2, (m, 1)).astype(np.float32),
    }


@pytest.mark.parametrize("output", ["float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(1, 8, 256, 256), (19, 70, 512, 256), (33, 130, 96, 32)])
def test_groups_give_the_oracles_bits(output, shape):
    *sizes, group = shape
    arrays = grouped(np.random.default_rng(2), *sizes, group)
    expected = oracle.quant_matmul_a4w4_pergroup(**arrays, output_dtype=output, group=group)
    call = {name: torch.from_numpy(a) for name, a in arrays.items() if name not in ("x1", "x2")}
    words1, words2 = torch.from_numpy(oracle.pack_int4(arrays["x1"])), packed(arrays["x2"], transposed=True)
    for pertoken in (call["pertoken_scale"], call["pertoken_scale"].flatten()):
        actual = OP(
            words1, words2, **call | {"pertoken_scale": pertoken}, output_dtype=TORCH[output], group_sizes=[1, 1, group]
        )
        assert_same_bits(actual, expected, output)


@pytest.mark.parametrize(
    "change,message",
    [
        ({"group_sizes": [1, 1, 48]}, "k = 64 is not a multiple of 48"),
        ({"scale": torch.ones(2, 9)}, r"scale has shape \(2, 9\), but with groups of 32 .* \(2, 8\)"),
        ({"offset": torch.ones(8).half()}, r"offset has shape \(8,\)"),
        ({"offset": torch.ones(2, 8)}, "offset is float32, but .* allows float16 .row 9"),
        ({"offset": None}, "offset is missing, but .* allows float16"),
        ({"pertoken_scale": torch.ones(1, 3)}, r"pertoken_scale has shape \(1, 3\), but must be \(m,\) or \(m, 1\)"),
        ({"bias": torch.ones(8, dtype=torch.int32)}, "bias is int32, but .* allows none"),
        ({"x2": torch.zeros(64, 1, dtype=torch.int32)}, "the transposed view of a packed"),
    ],
)
def test_refusals_of_groups(change, message):
    call = {
        "x1": torch.zeros(3, 8, dtype=torch.int32),
        "x2": torch.zeros(8, 8, dtype=torch.int32).t(),
        "scale": torch.ones(2, 8),
        "offset": torch.ones(2, 8).half(),
        "pertoken_scale": torch.ones(3),
        "output_dtype": torch.float16,
        "group_sizes": [1, 1, 32],
    }
    assert OP(**call).shape == (3, 8)
    call |= change
    meta = {name: t.to("meta") if isinstance(t, torch.Tensor) else t for name, t in call.items()}
    for operands in (call, meta):
        with pytest.raises(RuntimeError, match="npu_quant_matmul: .*" + message):
            OP(**operands)


def test_atlas_inference_has_no_int4(monkeypatch):
    import a8w8

    a8w8.set_product("atlas-inference")
    try:
        words = torch.zeros(2, 1, dtype=torch.int32)
        with pytest.raises(RuntimeError, match="Atlas inference"):
            OP(words, torch.zeros(8, 1, dtype=torch.int32), torch.ones(8), output_dtype=torch.float16)
        with pytest.raises(RuntimeError, match="group_sizes is .* Atlas inference table has no row for groups"):
            OP(words, torch.zeros(8, 1, dtype=torch.int32), torch.ones(8), group_sizes=[1, 1, 8])
        with pytest.raises(RuntimeError, match="dtype is quint4x2, but with div_mode=False on Atlas inference"):
            torch.ops.npu.npu_quantize(torch.ones(2, 8), torch.ones(1), None, torch.quint4x2, -1, False)
    finally:
        a8w8.set_product("atlas-a2")


@pytest.mark.parametrize("shape", [(3, 8), (5, 40), (2, 3, 16)])
def test_int4pack(shape):
    weight = torch.randint(-100, 100, shape, dtype=torch.int32)  # out-of-range values wrap
    actual = torch.ops.npu.npu_convert_weight_to_int4pack(weight, 3)
    assert_same_bits(actual, oracle.pack_int4(weight.numpy()), "int32")
    assert torch.ops.npu.npu_convert_weight_to_int4pack(weight.to("meta")).shape == actual.shape


def test_int4pack_of_blocks_gives_blocks_of_words():
    weight = torch.randint(-8, 8, (33, 80), dtype=torch.int32)
    words = ops.convert_weight_to_int4pack(ops.format_cast(weight, 29))
    assert ops.get_npu_format(words) == 29
    assert torch.equal(words, ops.convert_weight_to_int4pack(weight))
    expected = oracle.to_fractal_nz(oracle.pack_int4(weight.numpy()), 8)
    assert_same_bits(ops.to_fractal_nz(words), expected, "int32")


@pytest.mark.parametrize(
    "weight,message",
    [
        (torch.zeros(2, 8), "weight is float32, but must be int32"),
        (torch.zeros(8, dtype=torch.int32), r"weight has shape \(8,\), but must have 2 or 3 dimensions"),
        (torch.zeros(0, 8, dtype=torch.int32), "weight is empty"),
        (torch.zeros(2, 12, dtype=torch.int32), "must be a multiple of 8"),
        (torch.zeros(8, 8, dtype=torch.int32).t(), r"weight has strides \(1, 8\), but must be contiguous: \(8, 1\)"),
    ],
)
def test_int4pack_refusals(weight, message):
    for operand in (weight, weight.to("meta")):
        with pytest.raises(RuntimeError, match="npu_convert_weight_to_int4pack: .*" + message):
            torch.ops.npu.npu_convert_weight_to_int4pack(operand)
