"""The short way into ops: PyTorch's results and errors, and PyTorch's own way wherever a call is not plain."""

import sys
import sysconfig
import threading
from pathlib import Path

import pytest
import torch
from a8w8 import _calls, _library, ops
from torch.utils._python_dispatch import TorchDispatchMode

X = torch.randn(6, 16)
XQ = torch.randint(-128, 128, (6, 16), dtype=torch.int8)
W = torch.randint(-128, 128, (8, 16), dtype=torch.int8)
S = torch.rand(8) / 100
PACKED = ops.pack_weight(W)

CALLS = {
    "npu::npu_quant_matmul": ((XQ, W.t(), S), {"pertoken_scale": torch.rand(6), "output_dtype": torch.bfloat16}),
    "npu::npu_trans_quant_param": ((S, torch.rand(1)), {}),
    "npu::npu_quantize": ((X, torch.rand(16), None, torch.qint8), {"axis": -1, "div_mode": False}),
    "npu::npu_dynamic_quant": ((X,), {"smooth_scales": torch.rand(16)}),
    "a8w8::linear_dynamic": ((X, W, S, torch.rand(8)), {}),
    "a8w8::linear_static": ((X, torch.rand(1), torch.zeros(1), W, S), {"bias": torch.rand(8), "reciprocal": True}),
    "a8w8::quant_matmul_packed": ((XQ, PACKED, S, 8), {"output_dtype": 5}),
}


def packet_of(name):
    namespace, op = name.split("::")
    return getattr(getattr(torch.ops, namespace), op)


SHORT = type(len)  # a function of C in the place of PyTorch's method
BUILT = _library.library_path().with_name("_calls.abi3.so")
HEADERS = Path(sysconfig.get_path("include"), "Python.h")
pytestmark = pytest.mark.skipif(
    not BUILT.exists() and not HEADERS.exists(),
    reason=f"the short way is not built: there is no {HEADERS} (python3-dev)",
)


@pytest.fixture(scope="module")
def make_call():
    return _calls.load(BUILT).make_call


class General:
    """In the place of PyTorch's way: notes that it was taken, and takes it."""

    def __init__(self, name):
        self.op, self.calls = packet_of(name).op, 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        return self.op(*args, **kwargs)


def assert_same(actual, expected):
    assert type(actual) is type(expected)
    for a, e in zip(*(r if isinstance(r, tuple) else (r,) for r in (actual, expected)), strict=True):
        assert type(a) is torch.Tensor and a.dtype == e.dtype and torch.equal(a, e)


def test_every_op_is_shortened_and_stays_the_packet_that_it_is():
    assert set(CALLS) == set(_calls.OPS)
    for name in _calls.OPS:
        packet = packet_of(name)
        assert isinstance(packet, torch._ops.OpOverloadPacket) and type(type(packet).__dict__["__call__"]) is SHORT
        assert packet.overloads() == ["default"] and str(packet) == name.replace("::", ".")


@pytest.mark.parametrize("name", CALLS)
def test_a_plain_call_takes_the_short_way(name, make_call):
    args, kwargs = CALLS[name]
    general = General(name)
    call = make_call(name, general)
    expected = packet_of(name).op(*args, **kwargs)
    assert_same(call(*args, **kwargs), expected)
    assert_same(packet_of(name)(*args, **kwargs), expected)
    with torch.inference_mode():
        assert_same(call(*args, **kwargs), expected)
    assert_same(
        call(*[torch.nn.Parameter(a, False) if type(a) is torch.Tensor else a for a in args], **kwargs), expected
    )
    assert general.calls == 0


class Subclass(torch.Tensor):
    pass


class Watch(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.seen.append(function)
        return function(*args, **kwargs or {})


class FunctionMode(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        return function(*args, **kwargs or {})


@pytest.mark.filterwarnings("ignore:.torch.jit.trace. is deprecated")
def test_whatever_is_not_plain_is_left_to_pytorch(make_call):
    name = "npu::npu_quant_matmul"
    general = General(name)
    call = make_call(name, general)
    expected = call(XQ, W.t(), S)
    assert general.calls == 0

    def general_way(result, like=expected):
        taken, general.calls = general.calls, 0
        assert taken == 1 and result.shape == like.shape
        return result

    assert torch.equal(general_way(call(XQ.as_subclass(Subclass), W.t(), S)), expected)
    assert general_way(call(XQ.to("meta"), W.t().to("meta"), S.to("meta"))).is_meta
    assert torch.equal(general_way(call(XQ, W.t(), S, group_sizes=[0, 0, 0])), expected)
    with FunctionMode():
        assert torch.equal(general_way(call(XQ, W.t(), S)), expected)
    with Watch() as watch:
        assert torch.equal(general_way(call(XQ, W.t(), S)), expected)
    assert torch.ops.npu.npu_quant_matmul.default in watch.seen
    with torch._subclasses.FakeTensorMode(allow_non_fake_inputs=True):
        general_way(call(XQ, W.t(), S))
    traced = torch.jit.trace(lambda x: call(x, W.t(), S), XQ, check_trace=False)
    assert general.calls == 1 and "npu::npu_quant_matmul" in str(traced.graph)


def test_under_a_transformation_pytorch_decides(make_call):
    general = General("a8w8::linear_dynamic")
    call = make_call("a8w8::linear_dynamic", general)
    batched = torch.vmap(lambda x: call(x, W, S))(torch.stack([X, -X]))
    assert general.calls > 0 and torch.equal(batched[0], call(X, W, S))


WRONG = {
    "nothing": ((), {}),
    "too few": ((XQ, W.t()), {}),
    "too many": ((XQ, W.t(), S, None), {}),
    "unknown keyword": ((XQ, W.t(), S), {"of_set": None}),
    "given twice": ((XQ, W.t(), S), {"scale": S}),
    "no tensor": ((XQ, W.t(), 3.0), {}),
    "None for a tensor": ((XQ, None, S), {}),
    "too large for an int": ((XQ, W.t(), S), {"output_dtype": 1 << 70}),
    "string for an int": ((XQ, W.t(), S), {"output_dtype": "int8"}),
    "refused by the rules": ((XQ, W.t(), S), {"output_dtype": torch.float64}),
    "shapes that do not fit": ((XQ, W, S), {}),
    "dtypes that do not fit": ((XQ.float(), W.t(), S), {}),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors_are_those_of_pytorch(case):
    args, kwargs = WRONG[case]
    with pytest.raises((RuntimeError, TypeError)) as own:
        torch.ops.npu.npu_quant_matmul.op(*args, **kwargs)
    with pytest.raises(type(own.value)) as short:
        torch.ops.npu.npu_quant_matmul(*args, **kwargs)
    assert str(short.value) == str(own.value)


@pytest.mark.parametrize("name", CALLS)
def test_no_reference_is_kept_or_lost(name):
    args, kwargs = CALLS[name]
    tensors = [o for o in (*args, *kwargs.values()) if isinstance(o, torch.Tensor)]

    def references():
        return [(sys.getrefcount(t), t._use_count()) for t in tensors]

    before = references()
    for _ in range(100):
        packet_of(name)(*args, **kwargs)
    assert references() == before
    result = packet_of(name)(*args, **kwargs)
    for tensor in result if isinstance(result, tuple) else (result,):
        assert tensor._use_count() == 1


def test_threads_call_at_once():
    expected, wrong = torch.ops.npu.npu_quant_matmul(XQ, W.t(), S), []

    def work():
        for _ in range(300):
            if not torch.equal(torch.ops.npu.npu_quant_matmul(XQ, W.t(), S), expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_without_the_extension_module_calls_take_pytorchs_way(tmp_path):
    before = type(packet_of("npu::npu_quant_matmul"))
    _calls.install(tmp_path / "_calls.abi3.so")
    assert type(packet_of("npu::npu_quant_matmul")) is before


def test_ops_without_tensors_for_results_cannot_be_called_this_way(make_call):
    assert make_call("npu::get_npu_format", len) is None and make_call("npu::no_such_op", len) is None
