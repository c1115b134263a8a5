"""Modules with packed weights: the same bits, one weight in memory, and to everybody else the modules they were."""

import copy
import pickle
import warnings
import weakref

import a8w8
import pytest
import torch
from a8w8 import ops
from a8w8.nn import LinearA8W8Quant, LinearQuant, QuantizedLinear, pack_weights_
from compat_support import run_python, run_script
from conftest import token_batches
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend

pytestmark = pytest.mark.filterwarnings("ignore:LinearA8W8Quant is deprecated:FutureWarning")
N, K = 48, 64


def int8(*shape: int) -> torch.Tensor:
    return torch.randint(-128, 128, shape, dtype=torch.int8)


def words(*shape: int) -> torch.Tensor:
    return torch.randint(-(2**31), 2**31 - 1, shape, dtype=torch.int32)


def vendor_module(weight: torch.Tensor, kind: type[LinearQuant] = LinearQuant, **options) -> LinearQuant:
    module = kind(K, N, **{"output_dtype": torch.float16, **options})
    module.weight.data, module.scale.data = weight, torch.rand(N) / 100
    if module.bias is not None:
        module.bias.data = torch.randint(-99, 99, (N,), dtype=torch.int32)
    if module.offset is not None:
        module.offset.data = torch.rand(N) * 9
    return module


def quantized(scheme: str = "w8a8_dynamic", bias: bool = True, dtype: torch.dtype = torch.float32) -> QuantizedLinear:
    input_range = (-3.0, 3.0) if scheme == "w8a8" else None
    return QuantizedLinear.from_float(nn.Linear(K, N, bias=bias).to(dtype), scheme, input_range)


def blocks(weight: torch.Tensor) -> torch.Tensor:
    return ops.format_cast(weight, 29, customize_dtype=torch.int32 if weight.dtype == torch.int32 else None)


MODULES = {
    "LinearQuant": lambda: vendor_module(int8(N, K)),
    "LinearQuant, transposed": lambda: vendor_module(int8(K, N).t()),
    "LinearQuant, NZ": lambda: vendor_module(blocks(int8(N, K))),
    "LinearQuant, int4": lambda: vendor_module(words(N, K // 8)),
    "LinearQuant, int4 NZ": lambda: vendor_module(blocks(words(N, K // 8))),
    "LinearQuant, int8 out": lambda: vendor_module(int8(N, K), offset=True, output_dtype=None),
    "LinearQuant, int32 out": lambda: vendor_module(int8(N, K), output_dtype=torch.int32),
    "LinearA8W8Quant": lambda: vendor_module(int8(N, K), LinearA8W8Quant, output_dtype=torch.bfloat16, bias=False),
    "QuantizedLinear, dynamic": lambda: quantized(),
    "QuantizedLinear, static": lambda: quantized("w8a8"),
    "QuantizedLinear, static, no bias, float16": lambda: quantized("w8a8", False, torch.float16),
}
ALL = pytest.mark.parametrize("kind", MODULES)
# One of each that is kept in another way: as a Parameter, in blocks, as words, as a buffer.
FORMS = pytest.mark.parametrize(
    "kind", ["LinearQuant", "LinearQuant, NZ", "LinearQuant, int4 NZ", "QuantizedLinear, dynamic"]
)


def input_of(module: nn.Module, *shape: int) -> torch.Tensor:
    if isinstance(module, QuantizedLinear):
        return torch.randn(*shape, K)
    return words(*shape, K // 8) if module.state_dict()["weight"].dtype == torch.int32 else int8(*shape, K)


def assert_same_tensor(actual: torch.Tensor, expected: torch.Tensor) -> None:
    assert torch.equal(actual, expected) and actual.dtype == expected.dtype
    assert isinstance(actual, nn.Parameter) == isinstance(expected, nn.Parameter)
    assert actual.requires_grad == expected.requires_grad
    if not actual.is_meta:
        assert ops.get_npu_format(actual) == ops.get_npu_format(expected)
        assert torch.ops.a8w8.format_c0(actual) == torch.ops.a8w8.format_c0(expected)


def assert_same_module(actual: nn.Module, expected: nn.Module) -> None:
    """The same tensors under the same names, the same bits."""
    for keep_vars in (True, False):
        found, wanted = (module.state_dict(keep_vars=keep_vars) for module in (actual, expected))
        assert list(found) == list(wanted)
        for name in wanted:
            assert_same_tensor(found[name], wanted[name])
    assert_same_tensor(actual.weight, expected.weight)
    for shape in ((1,), (5,), (2, 3)):
        x = input_of(expected, *shape)
        assert torch.equal(actual(x), expected(x))


@ALL
def test_packing_changes_nothing_but_where_the_weight_is(kind):
    plain, module = MODULES[kind](), None
    module = copy.deepcopy(plain)
    assert module.pack_() is module and module.is_packed and not plain.is_packed
    assert_same_module(module, plain)
    packed = module.packed_weight
    assert module.pack_().packed_weight is packed
    assert "weight" not in dict(module.named_parameters()) and "weight" not in dict(module.named_buffers())
    assert dict(module.named_buffers())["packed_weight"] is packed
    assert module.unpack_() is module and not module.is_packed and module.unpack_().packed_weight is None
    assert_same_module(module, plain)
    assert [name for name, _ in module.named_parameters()] == [name for name, _ in plain.named_parameters()]
    assert [name for name, _ in module.named_buffers()] == [name for name, _ in plain.named_buffers()]


def bytes_of(module: nn.Module) -> int:
    tensors = (*module.parameters(), *module.buffers())
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors)


@pytest.mark.parametrize("kind", ["LinearQuant", "QuantizedLinear"])
def test_memory_does_not_double(kind):
    n, k = 1000, 1024
    if kind == "LinearQuant":
        module = LinearQuant(k, n)
        module.weight.data = int8(n, k)
    else:
        module = QuantizedLinear(k, n, "w8a8_dynamic")
    before, plain = bytes_of(module), weakref.ref(module.weight)
    storage = weakref.ref(module.weight.untyped_storage())
    module.pack_()
    assert plain() is None and storage() is None
    assert before <= bytes_of(module) < 1.05 * before
    held = [value for value in vars(module).values() if isinstance(value, torch.Tensor)]
    assert not held
    packed = weakref.ref(module.packed_weight)
    module.unpack_()
    assert packed() is None and bytes_of(module) == before


@FORMS
@pytest.mark.parametrize("assign", [True, False])
def test_loading_packs_again(kind, assign):
    module, other = MODULES[kind]().pack_(), MODULES[kind]()
    result = module.load_state_dict(other.state_dict(), assign=assign)
    assert module.is_packed and not result.missing_keys and not result.unexpected_keys
    assert_same_module(module, other)
    model, others = nn.Sequential(module), nn.Sequential(MODULES[kind]().pack_())
    model.load_state_dict(others.state_dict(), assign=assign)
    assert_same_module(module, others[0])


@FORMS
def test_loading_refuses_what_a_plain_module_refuses_and_keeps_the_weight(kind):
    module, plain = MODULES[kind]().pack_(), None
    plain = copy.deepcopy(module).unpack_()
    state = module.state_dict()
    without = {name: tensor for name, tensor in state.items() if name != "weight"}
    wrong = {**state, "weight": state["weight"][:-1]}
    extra = {**state, "weights": state["weight"]}
    for bad, message in ((without, 'Missing key.*"weight"'), (wrong, "size mismatch for weight:"), (extra, "weights")):
        messages = []
        for one in (module, plain):
            with pytest.raises(RuntimeError, match=message) as caught:
                one.load_state_dict(bad)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]
        assert module.is_packed
        assert_same_module(module, plain)
    assert module.load_state_dict(without, strict=False).missing_keys == ["weight"]
    assert_same_module(module, plain)


def test_a_weight_that_cannot_be_packed_is_assigned_and_reported():
    module = vendor_module(int8(N, K)).pack_()
    state = {**module.state_dict(), "weight": torch.rand(N, K)}
    with pytest.raises(RuntimeError, match='While packing "weight": PackedWeight: weight is float32'):
        module.load_state_dict(state, assign=True)
    assert not module.is_packed and module.weight.dtype == torch.float32


@FORMS
def test_copies_are_packed_and_their_own(kind):
    module = MODULES[kind]().pack_()
    for other in (copy.deepcopy(module), copy.copy(module), pickle.loads(pickle.dumps(module))):
        assert other.is_packed and type(other) is type(module)
        assert other.packed_weight.data_ptr() != module.packed_weight.data_ptr()
        assert_same_module(other, module)
        other.unpack_()
        assert module.is_packed
        assert_same_module(other, module)


def test_deepcopy_takes_tensors_out_of_the_memo(bert):
    first = a8w8.quantize_model(bert, "w8a8_dynamic", skip=["pooler.dense"], progress=False)
    pack_weights_(first)
    second = a8w8.quantize_model(first, "w8a8_dynamic", progress=False)
    name = "encoder.layer.0.output.dense"
    assert second.get_submodule(name).packed_weight is first.get_submodule(name).packed_weight


LOAD = """
import sys, torch, a8w8
modules, xs, ys = torch.load(sys.argv[1], weights_only=False)
for module, x, y in zip(modules, xs, ys):
    kernel = bytes(module.packed_weight[16:80].tolist()).rstrip(b"\\0").decode()
    print(module.is_packed, kernel.split("_")[-1], torch.equal(module(x), y))
"""


def test_saved_modules_are_packed_for_the_cpu_that_loads_them(tmp_path):
    modules = [make().pack_() for make in MODULES.values()]
    xs = [input_of(module, 9) for module in modules]
    ys = [module(x) for module, x in zip(modules, xs, strict=True)]
    torch.save((modules, xs, ys), tmp_path / "modules")
    assert b"A8W8PACK" not in (tmp_path / "modules").read_bytes()
    result = run_python("-c", LOAD, tmp_path / "modules", A8W8_MAX_ISA="scalar")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["True scalar True"] * len(modules)


@FORMS
def test_moving_and_casting(kind):
    module = MODULES[kind]()
    plain = copy.deepcopy(module)
    model = nn.Sequential(module.pack_())
    for moves in (("bfloat16", "float"), ("cpu", "share_memory")):
        for move in moves:
            getattr(model, move)()
            getattr(plain, move)()
        assert module.is_packed and module.packed_weight.dtype == torch.uint8
        x = input_of(plain, 5)
        assert torch.equal(module(x), plain(x)) and torch.equal(module.weight, plain.weight)
    assert module.packed_weight.is_shared()
    if isinstance(module, QuantizedLinear):  # leaves other dtypes alone as well
        model.type(torch.float32)
        assert_same_module(module, plain)
    model.to("meta")
    assert module.packed_weight.is_meta and module.weight.is_meta
    assert module.weight.shape == plain.weight.shape and module.weight.dtype == plain.weight.dtype
    assert module(x.to("meta")).shape == (5, N)
    model.to_empty(device="cpu")
    module.packed_weight.zero_()  # or the memory may be that of a packed weight, header and all
    with pytest.raises(RuntimeError, match="packed weight: "):
        module(x)
    module.load_state_dict(plain.state_dict())
    assert module.is_packed and torch.equal(module.weight, plain.weight)


def test_type_casts_leave_bytes_bytes():
    module = vendor_module(int8(N, K)).pack_()
    module.type(torch.int64)
    assert module.packed_weight.dtype == torch.uint8 and module.scale.dtype == torch.int64


@FORMS
def test_assigning_a_weight_replaces_the_packed_one(kind):
    module, other = MODULES[kind](), MODULES[kind]()
    for assign in ("weight", "data"):
        module.pack_()
        if assign == "weight":
            module.weight = other.weight
            assert module.weight is other.weight
        else:
            module.weight.data = other.weight.data
            assert module.weight.data_ptr() == other.weight.data_ptr()
        assert not module.is_packed and module.packed_weight is None
        module.load_state_dict(other.state_dict())
        assert_same_module(module, other)
    module.pack_()
    for wrong in (3, "weight"):
        with pytest.raises(TypeError):
            module.weight = wrong
    assert module.is_packed
    del module.weight
    assert not hasattr(module, "weight") and not module.is_packed


@FORMS
def test_the_weight_of_a_packed_module_is_a_copy(kind):
    module = MODULES[kind]().pack_()
    before = module.weight
    assert module.weight is not before
    module.weight.fill_(0)
    module.weight.data.fill_(0)
    module.state_dict()["weight"].fill_(0)
    assert torch.equal(module.weight, before)
    for other in (copy.deepcopy(before), pickle.loads(pickle.dumps(before)), before.clone()):
        assert torch.equal(other, before) and ops.get_npu_format(other) == ops.get_npu_format(before)
    assert type(copy.deepcopy(before)) in (torch.Tensor, nn.Parameter)
    assert torch.equal(torch.compile(lambda w: w + 1, backend="eager", fullgraph=True)(before), before + 1)
    held, other = module.weight, MODULES[kind]()
    other.weight = held
    assert other.weight is held and type(held) in (torch.Tensor, nn.Parameter)
    other.weight.data = MODULES[kind]().weight.data
    assert module.is_packed and torch.equal(module.weight, before)


def test_a_plain_weight_in_its_place_goes_first():
    module, weight = vendor_module(int8(N, K)).pack_(), nn.Parameter(int8(N, K), requires_grad=False)
    module.register_parameter("weight", weight)
    assert module.weight is weight and not module.is_packed
    plain = copy.deepcopy(module).pack_().unpack_()
    assert torch.equal(plain.weight, weight)
    assert_same_module(module, plain)


def test_a_copy_becomes_the_weight_once_and_only_of_a_module_that_has_no_other():
    module, weights = vendor_module(int8(N, K)).pack_(), [int8(N, K) for _ in range(3)]
    held, late = module.weight, module.weight
    held.data = weights[0]
    assert module.weight is held and type(held) is nn.Parameter
    held.data = weights[1]
    late.data = weights[2]
    assert module.weight is held and torch.equal(module.weight, weights[1])


@torch.no_grad()
@ALL
def test_compiles_once_for_all_batches(kind):
    torch._dynamo.reset()
    module, counter = MODULES[kind]().pack_(), CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend=counter)
    for m in (3, 7, 30):
        x = input_of(module, m)
        assert torch.equal(compiled(x), module(x))
    assert counter.frame_count == 1
    module.unpack_()
    assert torch.equal(compiled(x), module(x))  # compiled again
    assert counter.frame_count == 2


@FORMS
def test_code_that_reads_the_weight_compiles(kind):
    torch._dynamo.reset()
    module = MODULES[kind]().pack_()
    compiled = torch.compile(lambda: module.weight * 2, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(), module.weight * 2)


@torch.no_grad()
@FORMS
@pytest.mark.parametrize("strict", [True, False])
def test_export(kind, strict, tmp_path):
    module = MODULES[kind]().pack_()
    example = (input_of(module, 5),)
    program = torch.export.export(module, example, dynamic_shapes=({0: torch.export.Dim("m")},), strict=strict)
    torch.export.save(program, tmp_path / "module.pt2")
    loaded = torch.export.load(tmp_path / "module.pt2").module()
    for m in (5, 2, 31):
        x = input_of(module, m)
        assert torch.equal(program.module()(x), module(x)) and torch.equal(loaded(x), module(x))


@FORMS
def test_fake_tensors_functional_calls_and_tracing(kind):
    from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

    module, other = MODULES[kind]().pack_(), MODULES[kind]()
    x = input_of(module, 5)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert module(mode.from_tensor(x)).shape == (5, N)
        vendors = isinstance(module, LinearQuant)
        fresh = (MODULES[kind]() if vendors else QuantizedLinear(K, N, module.scheme)).pack_()
        assert isinstance(fresh.weight, FakeTensor) and fresh(mode.from_tensor(x)).shape == (5, N)
    lent = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    assert torch.equal(torch.func.functional_call(module, lent, (x,)), other(x))
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    assert torch.equal(torch.func.functional_call(module, tensors, (x,)), module(x))
    assert module.is_packed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(module, (x,))
    x = input_of(module, 8)
    assert torch.equal(traced(x), module(x))


def test_pack_weights_packs_each_module_that_gains_by_it_once():
    shared, batches, int4 = quantized(), vendor_module(int8(2, N, K)), vendor_module(words(N, K // 8))
    model = nn.ModuleList([shared, vendor_module(int8(N, K)), nn.Sequential(shared, nn.Linear(3, 3)), batches, int4])
    assert pack_weights_(model) == 2
    assert shared.is_packed and model[1].is_packed and not batches.is_packed and not int4.is_packed
    assert pack_weights_(model) == 0
    model[1].unpack_()
    assert pack_weights_(model) == 1
    assert pack_weights_(nn.Linear(3, 3)) == 0
    with pytest.raises(RuntimeError, match="^1.0: PackedWeight: weight is float32, but must be int8"):
        pack_weights_(nn.ModuleList([quantized(), nn.Sequential(LinearQuant(K, N))]))


def test_refusals():
    with pytest.raises(
        ValueError, match=r"LinearQuant.pack_: weight is of shape \(2, 48, 64\), allowed: \(n, k\); a ba"
    ):
        vendor_module(int8(2, N, K)).pack_()
    with pytest.raises(RuntimeError, match="weight is float32, but must be int8, or int32"):
        LinearQuant(K, N).pack_()
    module = vendor_module(int8(N, K)).pack_()
    with pytest.raises(ValueError, match=r"x is torch.int32 and weight is torch.int8, allowed: both"):
        module(words(3, K // 8))
    with pytest.raises(RuntimeError, match="k of x1"):
        module(int8(3, K - 1))


def test_repr_says_packed():
    assert repr(quantized().pack_()).endswith("scheme='w8a8_dynamic', bias=True, packed)")
    assert repr(vendor_module(int8(N, K)).pack_()) == "LinearQuant()"


def test_checkpoints_and_comparisons_of_packed_models(bert, tmp_path):
    model = a8w8.quantize_model(bert, "w8a8", token_batches(), progress=False)
    rows = a8w8.compare(bert, model, token_batches(), progress=False).rows
    a8w8.save_checkpoint(model, tmp_path / "plain")
    assert pack_weights_(model) == 13
    a8w8.save_checkpoint(model, tmp_path / "packed")
    for file in (tmp_path / "plain").iterdir():
        assert (tmp_path / "packed" / file.name).read_bytes() == file.read_bytes()
    torch.manual_seed(0)
    loaded = a8w8.load_model(tmp_path / "packed")
    pack_weights_(loaded)
    inputs = token_batches(1)[0]
    with torch.no_grad():
        assert torch.equal(loaded(**inputs).last_hidden_state, model(**inputs).last_hidden_state)
    assert len(rows) == len(a8w8.compare(bert, loaded, token_batches(), progress=False).rows)


def test_a_layer_under_two_names_is_stored_once(tmp_path):
    layer = nn.Linear(K, K)
    model = a8w8.quantize_model(nn.Sequential(layer, layer), "w8a8_dynamic", progress=False)
    a8w8.save_checkpoint(model, tmp_path / "plain")
    pack_weights_(model)
    a8w8.save_checkpoint(model, tmp_path / "packed")
    names = [torch.ops.a8w8.read_checkpoint(str(tmp_path / folder))[1] for folder in ("plain", "packed")]
    assert names[0] == names[1] and names[1].count("1.weight") == 0


def test_internal_format_weights_may_be_packed():
    assert run_script("packed.py").splitlines() == ["FRACTAL_NZ: True True", "again: True True", "in a graph: True"]
