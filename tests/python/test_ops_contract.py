"""What PyTorch asks of an op, the schemas, and that results depend on neither threads nor instruction set."""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import a8w8
import pytest
import torch

SCHEMAS = {
    "npu_quant_matmul": "npu::npu_quant_matmul(Tensor x1, Tensor x2, Tensor scale, *, Tensor? offset=None, "
    "Tensor? pertoken_scale=None, Tensor? bias=None, int? output_dtype=None, int? x1_dtype=None, int? x2_dtype=None, "
    "int? pertoken_scale_dtype=None, int? scale_dtype=None, int[]? group_sizes=None, Tensor? y_scale=None) -> Tensor",
    "npu_trans_quant_param": "npu::npu_trans_quant_param(Tensor scale, Tensor? offset=None, "
    "int? round_mode=0) -> Tensor",
    "npu_quantize": "npu::npu_quantize(Tensor self, Tensor scales, Tensor? zero_points, int dtype, int axis=1, "
    "bool div_mode=True) -> Tensor",
    "npu_dynamic_quant": "npu::npu_dynamic_quant(Tensor input, *, Tensor? smooth_scales=None, "
    "Tensor? group_index=None, "
    'int? dst_type=None, str quant_mode="pertoken", float dst_type_max=0.) -> (Tensor, Tensor)',
    "npu_format_cast": "npu::npu_format_cast(Tensor self, int acl_format, *, int? customize_dtype=None, "
    "int? input_dtype=None) -> Tensor",
    "npu_format_cast.Tensor": "npu::npu_format_cast.Tensor(Tensor self, Tensor dst, *, int? customize_dtype=None, "
    "int? input_dtype=None) -> Tensor",
    "npu_format_cast_.acl_format": "npu::npu_format_cast_.acl_format(Tensor(a!) self, int acl_format, *, "
    "int? customize_dtype=None, int? input_dtype=None) -> Tensor(a!)",
    "npu_format_cast_": "npu::npu_format_cast_(Tensor(a!) self, Tensor src, *, int? customize_dtype=None, "
    "int? input_dtype=None) -> Tensor(a!)",
    "_npu_format_cast": "npu::_npu_format_cast(Tensor self, int acl_format) -> Tensor",
    "_npu_format_cast.aclnn": "npu::_npu_format_cast.aclnn(Tensor self, int acl_format, int customize_dtype) -> Tensor",
    "_npu_format_cast.input_dtype": "npu::_npu_format_cast.input_dtype(Tensor self, int acl_format, "
    "int customize_dtype, int input_dtype) -> Tensor",
    "get_npu_format": "npu::get_npu_format(Tensor self) -> int",
    "npu_convert_weight_to_int4pack": "npu::npu_convert_weight_to_int4pack(Tensor weight, "
    "int inner_k_tiles=0) -> Tensor",
}

X = torch.randn(6, 16)
XQ = torch.randint(-128, 128, (6, 16), dtype=torch.int8)
W = torch.randint(-128, 128, (8, 16), dtype=torch.int8)
S = torch.rand(8) / 100


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_the_vendors(name):
    packet, _, overload = name.partition(".")
    assert str(getattr(getattr(torch.ops.npu, packet), overload or "default")._schema) == SCHEMAS[name]


CALLS = {
    "quant_matmul_int8": (torch.ops.npu.npu_quant_matmul, (XQ, W.t(), S), {"offset": torch.rand(8)}),
    "quant_matmul_bf16": (
        torch.ops.npu.npu_quant_matmul,
        (XQ.view(2, 3, 16), W.t(), S),
        {"pertoken_scale": torch.rand(3), "bias": torch.rand(8), "output_dtype": 15},
    ),
    "trans_quant_param": (torch.ops.npu.npu_trans_quant_param, (S, torch.rand(1)), {}),
    "quantize": (torch.ops.npu.npu_quantize, (X, torch.rand(16), None, 12), {}),
    "dynamic_quant": (torch.ops.npu.npu_dynamic_quant, (X,), {}),
    "quant_matmul_int4": (
        torch.ops.npu.npu_quant_matmul,
        (torch.zeros(6, 2, dtype=torch.int32), torch.zeros(8, 2, dtype=torch.int32).t(), S),
        {"output_dtype": 5},
    ),
    "quant_matmul_groups": (
        torch.ops.npu.npu_quant_matmul,
        (torch.zeros(6, 2, dtype=torch.int32), torch.zeros(8, 2, dtype=torch.int32).t(), torch.rand(2, 8)),
        {
            "offset": torch.zeros(2, 8).half(),
            "pertoken_scale": torch.rand(6),
            "output_dtype": 15,
            "group_sizes": [1, 1, 8],
        },
    ),
    "quantize_int4": (torch.ops.npu.npu_quantize, (X, torch.rand(16), None, 16, -1, False), {}),
    "dynamic_quant_groups": (
        torch.ops.npu.npu_dynamic_quant,
        (X,),
        {"smooth_scales": torch.rand(2, 16), "group_index": torch.tensor([2, 6], dtype=torch.int32), "dst_type": 16},
    ),
    "int4pack": (torch.ops.npu.npu_convert_weight_to_int4pack, (torch.ones(4, 16, dtype=torch.int32),), {}),
    "to_fractal_nz": (torch.ops.a8w8.to_fractal_nz, (XQ,), {}),
    "from_fractal_nz": (torch.ops.a8w8.from_fractal_nz, (torch.ones(1, 1, 16, 32), (6, 16)), {}),
    "linear_dynamic": (torch.ops.a8w8.linear_dynamic, (X, W, S, torch.rand(8)), {}),
    "pack_weight": (torch.ops.a8w8.pack_weight, (W,), {}),
    "unpack_weight": (torch.ops.a8w8.unpack_weight, (torch.ops.a8w8.pack_weight(W), 8, 16), {}),
    "quant_matmul_packed": (
        torch.ops.a8w8.quant_matmul_packed,
        (XQ, torch.ops.a8w8.pack_weight(W), S),
        {"n": 8, "pertoken_scale": torch.rand(6), "output_dtype": 15},
    ),
    "linear_dynamic_packed": (torch.ops.a8w8.linear_dynamic, (X, torch.ops.a8w8.pack_weight(W), S, torch.rand(8)), {}),
    "linear_static": (
        torch.ops.a8w8.linear_static,
        (X, torch.rand(1), torch.zeros(1), W, S, torch.ones(8, dtype=torch.int32)),
        {},
    ),
    "linear_static_bias": (
        torch.ops.a8w8.linear_static,
        (X, torch.rand(1), torch.zeros(1), W, S),
        {"bias": torch.rand(8), "reciprocal": True},
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_opcheck(call):
    op, args, kwargs = CALLS[call]
    torch.library.opcheck(op.default, args, kwargs)


# There is no derivative: autograd says so when asked, and leaves everybody else alone.
def test_gradients_through_the_short_way_are_refused_as_ever():
    scale = S.clone().requires_grad_()
    results = [
        f(XQ, W.t(), scale, output_dtype=torch.bfloat16)
        for f in (torch.ops.npu.npu_quant_matmul, a8w8.ops.quant_matmul)
    ]
    for y in results:
        assert y.requires_grad
        with pytest.warns(UserWarning, match="npu::npu_quant_matmul: an autograd kernel was not registered"):
            y.sum().backward()
        assert scale.grad is None
    with torch.no_grad():
        assert not a8w8.ops.quant_matmul(XQ, W.t(), scale, output_dtype=torch.bfloat16).requires_grad


def test_any_number_of_threads_may_call_at_once():
    layer = a8w8.nn.QuantizedLinear.from_float(torch.nn.Linear(96, 80))
    inputs = [torch.randn(m, 96) for m in (1, 5, 40)]
    together = threading.Barrier(8)

    def call(_):
        together.wait()
        results = []
        for x in inputs * 50:
            x_q, scale = a8w8.ops.dynamic_quant(x)
            results += [layer(x), a8w8.ops.quant_matmul(x_q, layer.weight.t(), torch.ones(1)), scale]
        return results

    with ThreadPoolExecutor(8) as pool:
        first, *others = pool.map(call, range(8))
    for other in others:
        assert all(map(torch.equal, first, other))


def test_dtype_arguments_take_numbers():
    npu = torch.ops.npu
    for number, dtype in ((1, torch.int8), (5, torch.float16), (15, torch.bfloat16), (3, torch.int32)):
        result = npu.npu_quant_matmul(XQ, W.t(), S, output_dtype=number)
        assert result.dtype == dtype and torch.equal(result, npu.npu_quant_matmul(XQ, W.t(), S, output_dtype=dtype))
    plain = {0: torch.uint8, 1: torch.int8, 3: torch.int32, 12: torch.qint8, 13: torch.quint8, 14: torch.qint32}
    for number, dtype in plain.items():
        args = (X, torch.rand(16), None)
        assert torch.equal(npu.npu_quantize(*args, number), npu.npu_quantize(*args, dtype))
    assert torch.equal(npu.npu_dynamic_quant(X, dst_type=16)[0], npu.npu_dynamic_quant(X, dst_type=torch.quint4x2)[0])


def test_quantized_dtypes_are_for_npu_quantize_only():
    for number in (torch.qint8, torch.qint32, 13):
        with pytest.raises(RuntimeError, match="output_dtype is QU?Int.* which is not supported"):
            torch.ops.npu.npu_quant_matmul(XQ, W.t(), S, output_dtype=number)
        with pytest.raises(RuntimeError, match="dst_type is QU?Int.* which is not supported"):
            torch.ops.npu.npu_dynamic_quant(X, dst_type=number)


def test_operands_on_two_devices_are_refused():
    with pytest.raises(RuntimeError, match="is on cpu, but the other operands are on meta"):
        torch.ops.npu.npu_quant_matmul(XQ, W.t().to("meta"), S)


def test_an_offset_beside_packed_scales_is_checked_and_not_read():
    packed = torch.ops.npu.npu_trans_quant_param(S, torch.full((8,), 3.0))
    without = torch.ops.npu.npu_quant_matmul(XQ, W.t(), packed)
    assert torch.equal(torch.ops.npu.npu_quant_matmul(XQ, W.t(), packed, offset=torch.full((8,), -90.0)), without)
    with pytest.raises(RuntimeError, match=r"offset has shape \(7,\)"):
        torch.ops.npu.npu_quant_matmul(XQ, W.t(), packed, offset=torch.ones(7))
    with pytest.raises(RuntimeError, match="offset is float16"):
        torch.ops.npu.npu_quant_matmul(XQ, W.t(), packed, offset=torch.ones(8).half())


FORMAT_CALLS = {
    "npu_format_cast": (X, 29),
    "npu_format_cast.Tensor": (X, torch.ops.npu._npu_format_cast(X, 29)),
    "npu_format_cast_.acl_format": (X.clone(), 29),
    "npu_format_cast_": (X.clone(), X),
    "_npu_format_cast": (X, 29),
    "_npu_format_cast.aclnn": (X.int(), 29, 3),
    "_npu_format_cast.input_dtype": (X.int(), 29, 3, 3),
    "get_npu_format": (X,),
}


@pytest.mark.parametrize("name", FORMAT_CALLS)
def test_opcheck_of_formats(name):
    packet, _, overload = name.partition(".")
    torch.library.opcheck(getattr(getattr(torch.ops.npu, packet), overload or "default"), FORMAT_CALLS[name])


@pytest.mark.parametrize("call", CALLS)
def test_threads_do_not_change_bits(call):
    op, args, kwargs = CALLS[call]
    args = tuple(
        a.repeat(300, *[1] * (a.dim() - 1))
        if a is args[0] and a.dim() > 1 and a.is_floating_point() and call != "from_fractal_nz" and not kwargs
        else a
        for a in args
    )
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3, 7):
            torch.set_num_threads(threads)
            results.append(op(*args, **kwargs))
    finally:
        torch.set_num_threads(before)
    for result in results[1:]:
        for a, b in zip(
            torch.utils._pytree.tree_leaves(results[0]), torch.utils._pytree.tree_leaves(result), strict=True
        ):
            assert torch.equal(a, b)


DIGEST_SCRIPT = """
import hashlib, torch, a8w8
torch.manual_seed(0)
digest = hashlib.sha256()
for m, n, k in ((1, 300, 200), (5, 65, 130), (40, 129, 77), (130, 200, 300)):
    x, w = torch.randint(-128, 128, (m, k), dtype=torch.int8), torch.randint(-128, 128, (n, k), dtype=torch.int8)
    scale = torch.rand(n) / 100
    for dtype in (torch.int8, torch.float16, torch.bfloat16, torch.int32):
        y = torch.ops.npu.npu_quant_matmul(x, w.t(), scale, output_dtype=dtype)
        digest.update(y.view(torch.int8).numpy().tobytes())
    f = torch.randn(m, k)
    for weight in (w, torch.ops.a8w8.pack_weight(w)):
        digest.update(torch.ops.a8w8.linear_dynamic(f, weight, scale).numpy().tobytes())
    digest.update(torch.ops.npu.npu_quantize(f, torch.rand(k), None, 12, -1, True).numpy().tobytes())
print(digest.hexdigest())
"""


ONE_CALL = """
import torch, a8w8
torch.ops.npu.npu_quant_matmul(torch.ones(1, 4, dtype=torch.int8), torch.ones(4, 4, dtype=torch.int8), torch.ones(4))
"""


def run_script(script: str, **environment: str) -> subprocess.CompletedProcess:
    paths = os.pathsep.join([str(Path(a8w8.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
    )


def test_every_isa_cap_gives_the_same_bits():
    usable = json.loads(torch.ops.a8w8.config())["isas"]["usable"]
    digests = set()
    for isa in usable:
        result = run_script(DIGEST_SCRIPT, A8W8_MAX_ISA=isa)
        assert result.returncode == 0, result.stderr
        digests.add(result.stdout.strip())
    assert len(digests) == 1
    assert digests != {hashlib.sha256().hexdigest()}


@pytest.mark.parametrize(
    "variable,value,message",
    [
        ("A8W8_MAX_ISA", "avx9000", 'A8W8_MAX_ISA: ISA "avx9000" is unknown; known are scalar, avx2'),
        ("A8W8_MAX_ISA", "neon_i8mm", 'A8W8_MAX_ISA: ISA "neon_i8mm" .* is not available here; available are scalar'),
        ("A8W8_PRODUCT", "atlas-9", 'A8W8_PRODUCT: product "atlas-9" is unknown; known are "atlas-a2"'),
        ("A8W8_VERBOSE", "loud", 'A8W8_VERBOSE is "loud", but must be a whole number from 0 to 2'),
    ],
)
def test_wrong_environment_is_an_error_that_names_the_variable(variable, value, message):
    result = run_script(ONE_CALL, **{variable: value})
    assert result.returncode == 1
    assert re.search("RuntimeError: " + message, result.stderr), result.stderr


def test_verbose_prints_one_line_a_call_and_why():
    lines = run_script(ONE_CALL, A8W8_VERBOSE="1").stderr.splitlines()
    assert [line for line in lines if line.startswith("a8w8: npu_quant_matmul m=1 n=4 k=4 ")]
    refused = run_script(ONE_CALL, A8W8_VERBOSE="2", A8W8_MAX_ISA="scalar").stderr
    assert "not gemm_s8s8s32" in refused
