"""Graph mode: torch.compile, torch.export, FakeTensorMode, functional calls, tracing. Results are eager's to the bit,
graphs do not break, and the op itself is in them."""

import pytest
import torch
import torch._inductor.config
from a8w8 import nn, ops
from torch._dynamo.testing import CompileCounterWithBackend

NPU = torch.ops.npu


def int8(*shape):
    return torch.randint(-128, 128, shape, dtype=torch.int8)


def words(*shape):
    return torch.randint(-(2**31), 2**31 - 1, shape, dtype=torch.int32)


def filled(kind, k, n, **options):
    layer = kind(k, n, **options)
    layer.weight.data, layer.scale.data = int8(n, k), torch.rand(n) / 100
    if layer.bias is not None:
        layer.bias.data = torch.randint(-99, 99, (n,), dtype=torch.int32)
    if layer.offset is not None:
        layer.offset.data = torch.rand(n) * 10
    return layer


class Chain(torch.nn.Module):
    """A float model around the ops: quantize, multiply with a weight of each form, dequantize, requantize."""

    def __init__(self):
        super().__init__()
        self.first = filled(nn.LinearQuant, 64, 96, output_dtype=torch.float16)
        self.second = filled(nn.LinearQuant, 96, 32, bias=False, offset=True)
        self.first.weight.data = ops.format_cast(self.first.weight.data, 29)
        self.register_buffer("int4", words(40, 4))
        self.register_buffer("scale", torch.rand(40) / 100)

    def forward(self, x):
        x_q, pertoken = NPU.npu_dynamic_quant(x)
        h = self.first(x_q).float().relu()
        h = self.second(NPU.npu_quantize(h, h.new_full((1,), 0.1), None, torch.qint8, -1, True))
        h4 = NPU.npu_quantize(h.float(), h.new_full((1,), 0.05, dtype=torch.float32), None, torch.quint4x2, -1, False)
        y = NPU.npu_quant_matmul(h4, self.int4.t(), self.scale, pertoken_scale=pertoken, output_dtype=torch.bfloat16)
        return torch.tanh(y.float()) + 1


def matmul_nodes(graphs):
    return [n for g in graphs for n in g.graph.nodes if n.op == "call_function" and "npu_quant_matmul" in str(n.target)]


@torch.no_grad()
@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiles_into_one_graph_with_eagers_bits(dynamic, backend):
    torch._dynamo.reset()
    model, counter = Chain(), CompileCounterWithBackend(backend)
    compiled = torch.compile(model, fullgraph=True, dynamic=dynamic, backend=counter)
    sizes = (3, 7, 24, 25, 100) if dynamic else (3, 7)
    for m in sizes:
        x = torch.randn(m, 64)
        assert torch.equal(compiled(x), model(x))
    assert counter.frame_count == (1 if dynamic else len(sizes))  # dynamic: one compilation for all sizes
    assert len(matmul_nodes(counter.graphs)) == 3 * counter.frame_count
    assert all(n.target is NPU.npu_quant_matmul for n in matmul_nodes(counter.graphs))


@torch.no_grad()
@pytest.mark.parametrize("dynamic", [True, False])
@torch._inductor.config.patch(force_disable_caches=True)  # a graph that is found there is not compiled, nor seen
def test_compiles_with_the_default_backend(dynamic):
    torch._dynamo.reset()
    seen = []
    model = Chain()

    def inductor(graph, example_inputs):
        from torch._inductor.compile_fx import compile_fx

        def look_into(lowered, inputs, **options):
            from torch._inductor.compile_fx import compile_fx_inner

            seen.append(lowered)
            return compile_fx_inner(lowered, inputs, **options)

        return compile_fx(graph, example_inputs, inner_compile=look_into)

    compiled = torch.compile(model, fullgraph=True, dynamic=dynamic, backend=inductor)
    for m in (5, 9) if dynamic else (5,):
        x = torch.randn(m, 64)
        torch.testing.assert_close(compiled(x), model(x), rtol=0, atol=1e-6)  # tanh is inductor's
    assert len(seen) == 1
    assert all(n.target is NPU.npu_quant_matmul.default for n in matmul_nodes(seen))
    assert len(matmul_nodes(seen)) == 3


# No float arithmetic of the compiler's around the ops: equal to the bit with the default backend, for every output.
@torch.no_grad()
def test_the_default_backend_gives_the_ops_bits():
    torch._dynamo.reset()
    w, scale = int8(48, 64), torch.rand(48) / 100

    def f(x, pertoken):
        return (
            NPU.npu_quant_matmul(x, w.t(), scale),
            NPU.npu_quant_matmul(x, w.t(), scale, output_dtype=torch.float16),
            NPU.npu_quant_matmul(x, w.t(), scale, pertoken_scale=pertoken, output_dtype=torch.bfloat16),
            NPU.npu_quant_matmul(x, w.t(), scale, output_dtype=torch.int32),
            NPU.npu_trans_quant_param(scale),
            NPU._npu_format_cast(x, 29) + 1,
        )

    compiled = torch.compile(f, fullgraph=True, dynamic=True)
    for m in (4, 11):
        x, pertoken = int8(m, 64), torch.rand(m)
        for actual, expected in zip(compiled(x, pertoken), f(x, pertoken), strict=True):
            assert actual.dtype == expected.dtype and torch.equal(actual, expected)


@pytest.mark.parametrize("batch", [True, False])
def test_batches_stay_symbolic_on_both_sides(batch):
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("eager")
    scale = torch.rand(16) / 100

    def f(x, y, bias):
        return NPU.npu_quant_matmul(x, y, scale, bias=bias, output_dtype=torch.bfloat16)

    compiled = torch.compile(f, fullgraph=True, dynamic=True, backend=counter)
    for b, m in ((3, 4), (5, 6), (7, 3)):
        x, y = int8(b, m, 48), int8(b, 48, 16) if batch else int8(48, 16)
        bias = torch.randint(-9, 9, (b, 1, 16) if batch else (16,), dtype=torch.int32)
        assert torch.equal(compiled(x, y, bias), f(x, y, bias))
    assert counter.frame_count == 1


# 2 ** 40 and so on are the numbers that stand in for symbols; a size near the old ones, primes from 10007 on, was one.
@torch.no_grad()
@pytest.mark.parametrize("n", [10007, 10009, 40028])
def test_sizes_are_not_taken_for_symbols(n):
    torch._dynamo.reset()
    x, w, scale = int8(5, 16), int8(16, n), torch.ones(1)
    torch._dynamo.mark_dynamic(x, 0)

    def f(x, w, scale):
        y = NPU.npu_quant_matmul(x, w, scale, output_dtype=torch.bfloat16).float() + torch.zeros(n)
        q, s = NPU.npu_dynamic_quant(y)
        return y, q, s, NPU.npu_quantize(y, torch.ones(1), None, torch.qint8, -1, True)

    compiled = torch.compile(f, fullgraph=True, backend="aot_eager")
    for actual, expected in zip(compiled(x, w, scale), f(x, w, scale), strict=True):
        assert torch.equal(actual, expected)


class Pertoken(torch.nn.Module):
    def forward(self, x, pertoken, w, scale):
        return NPU.npu_quant_matmul(x, w.t(), scale, pertoken_scale=pertoken, output_dtype=torch.bfloat16)


class Batches(torch.nn.Module):
    def forward(self, x, y, bias, scale):
        return NPU.npu_quant_matmul(x, y, scale, bias=bias, output_dtype=torch.bfloat16)


class Packing(torch.nn.Module):
    def forward(self, scale, offset):
        return NPU.npu_trans_quant_param(scale, offset)


class Cast(torch.nn.Module):
    def forward(self, x):
        return NPU.npu_format_cast(x, 29) * 2


def operands(model, m):
    if isinstance(model, Pertoken):
        return int8(m, 16), torch.rand(m), int8(8, 16), torch.rand(8)
    if isinstance(model, Batches):
        return int8(m, 3, 16), int8(m, 16, 8), torch.randint(-9, 9, (m, 1, 8), dtype=torch.int32), torch.rand(8)
    return (torch.rand(m), torch.rand(m)) if isinstance(model, Packing) else (torch.rand(m, 6),)


@pytest.mark.parametrize("model,dynamic", [(Pertoken(), 2), (Batches(), 3), (Packing(), 2), (Cast(), 1)])
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("automatic", [True, False])
def test_operands_that_share_a_dynamic_size_are_exported(model, dynamic, strict, automatic):
    example = operands(model, 5)
    size = torch.export.Dim.DYNAMIC if automatic else torch.export.Dim("m")
    shapes = tuple({0: size} if i < dynamic else None for i in range(len(example)))
    program = torch.export.export(model, example, dynamic_shapes=shapes, strict=strict).module()
    for m in (5, 2, 31):
        args = operands(model, m)
        assert torch.equal(program(*args), model(*args))


def test_casts_are_compiled_once_for_all_sizes():
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(lambda x: NPU.npu_format_cast(x, 29) + 1, fullgraph=True, dynamic=True, backend=counter)
    for m in (3, 5, 17):
        x = torch.rand(m, 6)
        assert torch.equal(compiled(x), x + 1)
    assert counter.frame_count == 1


def test_what_eager_refuses_graphs_refuse():
    torch._dynamo.reset()
    w, scale = int8(48, 64), torch.rand(48)

    def f(x, pertoken):
        return NPU.npu_quant_matmul(x, w.t(), scale, pertoken_scale=pertoken, output_dtype=torch.bfloat16)

    compiled = torch.compile(f, fullgraph=True, dynamic=True, backend="eager")
    with pytest.raises(Exception, match=r"pertoken_scale has shape \(5,\), but must be \(m,\) with m = 4"):
        compiled(int8(4, 64), torch.rand(5))
    with pytest.raises(Exception, match="k of x1 .* is 63, but k of x2 .* is 64"):
        compiled(int8(4, 63), torch.rand(4))
    assert torch.equal(compiled(int8(4, 64) * 0, torch.rand(4)), torch.zeros(4, 48, dtype=torch.bfloat16))


@torch.no_grad()
@pytest.mark.parametrize("dynamic", [True, False])
def test_export(dynamic, tmp_path):
    model = Chain()
    shapes = ({0: torch.export.Dim("m")},) if dynamic else None
    program = torch.export.export(model, (torch.randn(5, 64),), dynamic_shapes=shapes)
    targets = [str(n.target) for n in program.graph.nodes if n.op == "call_function"]
    assert targets.count("npu.npu_quant_matmul.default") == 3
    torch.export.save(program, tmp_path / "model.pt2")
    loaded = torch.export.load(tmp_path / "model.pt2").module()
    for m in (5, 2, 31) if dynamic else (5,):
        x = torch.randn(m, 64)
        assert torch.equal(program.module()(x), model(x))
        assert torch.equal(loaded(x), model(x))


def test_fake_tensors():
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    with FakeTensorMode(shape_env=ShapeEnv()) as mode:
        x = mode.from_tensor(torch.zeros(3, 64, dtype=torch.int8))
        w, scale = torch.empty(48, 64, dtype=torch.int8), torch.empty(48)
        assert NPU.npu_quant_matmul(x, w.t(), scale).shape == (3, 48)
        y, s = NPU.npu_dynamic_quant(torch.empty(3, 64), dst_type=torch.quint4x2)
        assert (y.shape, y.dtype, s.shape) == ((3, 8), torch.int32, (3,))
        with pytest.raises(RuntimeError, match=r"scale has shape \(47,\)"):
            NPU.npu_quant_matmul(x, w.t(), scale[1:])


def test_functional_calls():
    layer = filled(nn.LinearQuant, 64, 48, output_dtype=torch.bfloat16)
    other = {name: p.clone() for name, p in layer.state_dict().items()}
    other["weight"] = int8(48, 64)
    x = int8(3, 64)
    expected = NPU.npu_quant_matmul(
        x, other["weight"].t(), other["scale"], bias=other["bias"], output_dtype=torch.bfloat16
    )
    assert torch.equal(torch.func.functional_call(layer, other, (x,)), expected)

    def f(x):
        return NPU.npu_quant_matmul(x, other["weight"].t(), other["scale"], output_dtype=torch.bfloat16)

    assert torch.equal(torch.func.functionalize(f)(x), f(x))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_tracing():
    layer = filled(nn.LinearQuant, 64, 48, output_dtype=torch.float16)
    traced = torch.jit.trace(layer, (int8(3, 64),))
    assert "npu_quant_matmul" in str(traced.inlined_graph)
    x = int8(7, 64)
    assert torch.equal(traced(x), layer(x))

    def f(x, weight, scale):
        return NPU.npu_quant_matmul(x, weight.t(), scale, output_dtype=torch.float16)

    made = torch.fx.experimental.proxy_tensor.make_fx(f, tracing_mode="symbolic")(
        int8(3, 64), int8(48, 64), torch.rand(48)
    )
    assert torch.equal(made(x, layer.weight, layer.scale), f(x, layer.weight, layer.scale))
