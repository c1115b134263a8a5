"""The layers: torch_npu's modules as documented, and QuantizedLinear with msModelSlim's numbers."""

import copy
import inspect
import pickle
import warnings

import pytest
import torch
from a8w8 import ops
from a8w8.nn import LinearA8W8Quant, LinearQuant, QuantizedLinear
from torch import nn

BOTH = pytest.mark.parametrize("kind", [LinearA8W8Quant, LinearQuant])
pytestmark = pytest.mark.filterwarnings("ignore:LinearA8W8Quant is deprecated:FutureWarning")

# A layer and inputs with all numbers worked out by hand (float32).
WEIGHT = torch.tensor([[0.50, -1.00, 0.25, 0.10], [-0.30, 0.60, 0.90, -1.27]])
BIAS = torch.tensor([0.1, -0.2])
X = torch.tensor([[1.0, -0.5, 2.0, 0.3], [0.2, 0.4, -1.0, 1.5]])


def int8(*shape: int) -> torch.Tensor:
    return torch.randint(-128, 128, shape, dtype=torch.int8)


def filled(kind: type[nn.Module], **options: object) -> nn.Module:
    """4 -> 3 features with real data."""
    module = kind(4, 3, **options)
    module.weight.data = int8(3, 4)
    module.scale.data = torch.tensor([0.01, 0.02, 0.03])
    for name in ("offset", "pertoken_scale"):
        if getattr(module, name) is not None:
            getattr(module, name).data = torch.tensor([1.0, 2.0, -3.0])
    if module.bias is not None:
        module.bias.data = torch.tensor([5, -6, 7], dtype=torch.int32)
    return module


@BOTH
def test_constructor_is_torch_npus(kind):
    parameters = inspect.signature(kind).parameters
    assert list(parameters) == [
        "in_features", "out_features", "bias", "offset", "pertoken_scale", "device", "dtype", "output_dtype",
    ]  # fmt: skip
    assert [p.default for p in parameters.values()][2:] == [True, False, False, None, None, None]
    assert all(p.kind is p.KEYWORD_ONLY for p in list(parameters.values())[2:])


@BOTH
def test_parameters(kind):
    module = kind(4, 3, offset=True, pertoken_scale=True, output_dtype=torch.float16, dtype=torch.float64)
    found = [(name, tuple(p.shape), p.dtype, p.requires_grad) for name, p in module.named_parameters()]
    assert found == [
        ("weight", (3, 4), torch.float32, False),
        ("scale", (3,), torch.float32, False),
        ("offset", (3,), torch.float32, False),
        ("pertoken_scale", (3,), torch.float32, False),
        ("bias", (3,), torch.int32, False),
    ]
    assert (module.in_features, module.out_features, module.output_dtype) == (4, 3, torch.float16)
    assert repr(module) == f"{kind.__name__}()"

    bare = kind(4, 3, bias=False)
    assert list(bare.state_dict()) == ["weight", "scale"]
    assert bare.offset is bare.pertoken_scale is bare.bias is None
    assert bare.output_dtype is None


def test_only_the_old_module_warns():
    with pytest.warns(FutureWarning, match="LinearQuant") as caught:
        LinearA8W8Quant(4, 3)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LinearQuant(4, 3)


@BOTH
@pytest.mark.parametrize("output", [None, torch.int8, torch.float16])
def test_float_scale_is_packed_where_the_device_wants_that(kind, output):
    module = filled(kind, offset=output is not torch.float16, output_dtype=output)
    x, before = int8(5, 4), module.scale.clone()
    packed = ops.trans_quant_param(module.scale, module.offset)
    expected = ops.quant_matmul(
        x, module.weight.t(), packed, offset=module.offset, bias=module.bias, output_dtype=output
    )
    assert torch.equal(module(x), expected)
    assert torch.equal(module.scale, before)


@BOTH
def test_float_scale_stays_for_wide_outputs_and_pertoken_scale(kind):
    x = int8(3, 4)
    module = filled(kind, output_dtype=torch.bfloat16)
    acc = x.int() @ module.weight.t().int() + module.bias
    assert torch.equal(module(x), (acc.float() * module.scale).bfloat16())
    module = filled(kind, pertoken_scale=True, output_dtype=torch.float16)
    acc = x.int() @ module.weight.t().int() + module.bias
    assert torch.equal(module(x), (acc.float() * module.scale * module.pertoken_scale[:, None]).half())


def test_int32_output_is_for_linear_quant_only():
    x, module = int8(5, 4), filled(LinearQuant, output_dtype=torch.int32)
    assert torch.equal(module(x), x.int() @ module.weight.t().int() + module.bias)
    with pytest.raises(ValueError, match=r"output_dtype is torch.int32, allowed: None, torch.int8"):
        filled(LinearA8W8Quant, output_dtype=torch.int32)(x)


@BOTH
def test_x_and_weight_must_be_integers_alike(kind):
    module = filled(kind)
    with pytest.raises(ValueError, match=r"x is torch.float32 and weight is torch.int8, allowed: both torch.int8"):
        module(torch.zeros(2, 4))
    with pytest.raises(ValueError, match=r"x is torch.int32 and weight is torch.int8"):
        module(torch.zeros(2, 4, dtype=torch.int32))


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("scale", torch.float16), ("offset", torch.float16), ("bias", torch.int64), ("pertoken_scale", torch.bfloat16)],
)
def test_old_module_checks_dtypes_itself_and_the_new_one_leaves_it_to_the_op(name, dtype):
    for kind, error in ((LinearA8W8Quant, ValueError), (LinearQuant, RuntimeError)):
        module = filled(kind, offset=True, pertoken_scale=True)
        getattr(module, name).data = torch.ones(3, dtype=dtype)
        with pytest.raises(error, match=name):
            module(int8(3, 4))


def test_old_module_checks_in_torch_npus_order():
    module = filled(LinearA8W8Quant, offset=True, pertoken_scale=True, output_dtype=torch.int32)
    for name in ("scale", "offset", "bias", "pertoken_scale"):
        getattr(module, name).data = torch.ones(3, dtype=torch.float64)
    for name in ("scale", "offset", "bias", "pertoken_scale"):
        with pytest.raises(ValueError, match=f": {name} is torch.float64"):
            module(int8(3, 4))
        getattr(module, name).data = torch.ones(3, dtype=torch.int32 if name == "bias" else torch.float32)
    with pytest.raises(ValueError, match="output_dtype"):
        module(int8(3, 4))


@BOTH
@pytest.mark.parametrize("batch", [(), (2,)])
def test_int4_and_batches_of_weights(kind, batch):
    module = kind(64, 8, bias=False, output_dtype=torch.float16)
    module.scale.data = torch.rand(8) / 100
    module.weight.data = int8(*batch, 8, 64)
    x = int8(*batch, 3, 64)
    assert torch.equal(
        module(x), ops.quant_matmul(x, module.weight.transpose(-2, -1), module.scale, output_dtype=torch.float16)
    )
    if not batch:
        values = torch.randint(-8, 8, (8, 64), dtype=torch.int32)
        x4 = torch.randint(-8, 8, (3, 64), dtype=torch.int32)
        module.weight.data = ops.convert_weight_to_int4pack(values)
        packed = ops.trans_quant_param(module.scale)
        assert torch.equal(
            module(ops.convert_weight_to_int4pack(x4)),
            ops.quant_matmul(x4.to(torch.int8), values.to(torch.int8).t(), packed, output_dtype=torch.float16),
        )


@BOTH
def test_state_dict_round_trip(kind):
    module, copy = filled(kind, offset=True), kind(4, 3, offset=True)
    copy.load_state_dict(module.state_dict(), assign=True)
    x = int8(5, 4)
    assert torch.equal(module(x), copy(x))


def worked_linear() -> nn.Linear:
    linear = nn.Linear(4, 2)
    linear.weight.data, linear.bias.data = WEIGHT.clone(), BIAS.clone()
    return linear


def test_dynamic_numbers():
    layer = QuantizedLinear.from_float(worked_linear(), "w8a8_dynamic")
    assert list(layer.state_dict()) == ["weight", "weight_scale", "weight_offset", "bias"]
    assert layer.weight.tolist() == [[64, -127, 32, 13], [-30, 60, 90, -127]]
    assert torch.equal(layer.weight_scale, (torch.tensor([[1.0], [1.27]]) / 127))
    assert not layer.weight_offset.any() and layer.weight_offset.shape == (2, 1)
    torch.testing.assert_close(
        layer(X), torch.tensor([[1.6464071, 0.6152756], [-0.2998078, -2.8278346]]), rtol=0, atol=3e-7
    )


def test_static_numbers():
    layer = QuantizedLinear.from_float(worked_linear(), "w8a8", (-1.0, 2.0))
    assert list(layer.state_dict()) == ["weight", "deq_scale", "input_scale", "input_offset", "quant_bias", "bias"]
    assert layer.input_offset.tolist() == [-43.0]
    # bias / deq_scale is 1079.5 in row 0, so a last bit of input_scale decides: the worked example, whose input_scale
    # is one bit larger than 3 / 255 in float32, has 305. Its results below differ by that one unit of deq_scale.
    assert layer.quant_bias.tolist() == [306, -2001]
    assert torch.equal(layer.input_scale, torch.tensor([3.0]) / 255)
    assert torch.equal(layer.deq_scale, layer.input_scale * (torch.tensor([1.0, 1.27]) / 127))
    y = torch.tensor([[1.6438168, 0.6229413], [-0.2982863, -2.8175297]])
    torch.testing.assert_close(layer(X), y, rtol=0, atol=float(layer.deq_scale[0]) * 1.01)


def test_float32_weights_are_quantized_as_dynamic_quant_does():
    linear = nn.Linear(37, 11)
    layer = QuantizedLinear.from_float(linear)
    weight, scale = ops.dynamic_quant(linear.weight.detach())
    assert torch.equal(layer.weight, weight)
    assert torch.equal(layer.weight_scale.flatten(), scale)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scheme", ["w8a8_dynamic", "w8a8"])
@pytest.mark.parametrize("bias", [True, False])
def test_close_to_float_in_every_dtype_and_shape(dtype, scheme, bias):
    linear = nn.Linear(64, 24, bias=bias).to(dtype)
    layer = QuantizedLinear.from_float(linear, scheme, (-4.0, 4.0) if scheme == "w8a8" else None)
    if scheme == "w8a8":
        assert layer.deq_scale.dtype == (torch.int64 if dtype == torch.float16 else torch.float32)
    for shape in ((64,), (1, 64), (2, 3, 64)):
        x = torch.randn(shape).clamp(-4, 4).to(dtype)
        y = layer(x)
        assert y.dtype == dtype and y.shape == (*shape[:-1], 24)
        torch.testing.assert_close(y.float(), linear(x).float(), rtol=0, atol=0.06)


@pytest.mark.parametrize("scheme", ["w8a8_dynamic", "w8a8"])
def test_rows_of_zeros_give_the_bias(scheme):
    linear = nn.Linear(8, 3)
    linear.weight.data[1] = 0
    layer = QuantizedLinear.from_float(linear, scheme, (-1.0, 1.0) if scheme == "w8a8" else None)
    y = layer(torch.randn(5, 8).clamp(-1, 1))
    torch.testing.assert_close(y[:, 1], linear.bias[1].detach().expand(5), rtol=0, atol=1e-6)


def test_casting_leaves_the_numbers_alone():
    layer = QuantizedLinear.from_float(nn.Linear(16, 8), "w8a8", (-3.0, 3.0))
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    model = nn.Sequential(layer).to(torch.bfloat16)
    for name, tensor in before.items():
        found = model[0].state_dict()[name]
        assert found.dtype == tensor.dtype and torch.equal(found, tensor)
    assert model(torch.randn(2, 16).bfloat16()).dtype == torch.bfloat16
    assert model.to("meta")[0].weight.is_meta


@torch.no_grad()
def test_layers_compile_into_one_graph():
    x = torch.randn(3, 4)
    static = QuantizedLinear.from_float(worked_linear(), "w8a8", (-3.0, 3.0))
    quant, x_q = filled(LinearQuant, output_dtype=torch.float16), int8(3, 4)
    wide = hand_made_static(torch.randn(5), 3, adds_bias=True, reciprocal=True), torch.randn(3, 12)
    for layer, inputs in ((QuantizedLinear.from_float(worked_linear()), x), (static, x), (quant, x_q), wide):
        compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
        assert torch.equal(compiled(inputs), layer(inputs))


def hand_made_static(bias: torch.Tensor | None, offset: int, **choices: bool) -> QuantizedLinear:
    """As compressed-tensors has it: quant_bias corrects for the offset only."""
    layer = QuantizedLinear(12, 5, "w8a8", bias=bias is not None, **choices)
    layer.weight = int8(5, 12)
    layer.deq_scale = torch.rand(5) * 1e-3
    layer.input_scale, layer.input_offset = torch.tensor([0.0137]), torch.tensor([float(offset)])
    layer.quant_bias = -offset * layer.weight.sum(dim=1, dtype=torch.int32) if offset else None
    layer.bias = bias
    return layer


@pytest.mark.parametrize("offset", [0, -17])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("adds_bias", [False, True])
@pytest.mark.parametrize("reciprocal", [False, True])
def test_float_bias_and_reciprocal(offset, dtype, adds_bias, reciprocal):
    layer = hand_made_static(torch.randn(5), offset, adds_bias=adds_bias, reciprocal=reciprocal)
    x = torch.randn(7, 12).to(dtype)
    if reciprocal:
        scaled = x.float() * (1 / layer.input_scale.to(dtype)).float()
    else:
        scaled = x.float() / layer.input_scale
    x_q = torch.round(scaled + offset).clamp(-128, 127)
    y = (x_q @ layer.weight.float().t() + (0 if layer.quant_bias is None else layer.quant_bias)) * layer.deq_scale
    expected = (y + layer.bias if adds_bias else y).to(dtype)
    for each in (layer, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer).pack_()):
        assert torch.equal(each(x), expected)
    assert torch.equal(pickle.loads(pickle.dumps(layer.pack_())).unpack_()(x), expected)


def test_the_choices_are_those_of_the_static_scheme_and_shown():
    layer = hand_made_static(None, 0, adds_bias=True, reciprocal=True)
    assert repr(layer) == (
        "QuantizedLinear(in_features=12, out_features=5, scheme='w8a8', bias=False, adds_bias, reciprocal)"
    )
    assert list(layer.state_dict()) == ["weight", "deq_scale", "input_scale", "input_offset"]
    for choice in ("adds_bias", "reciprocal"):
        with pytest.raises(ValueError, match=rf"{choice} .*True.*, allowed: False; they are for scheme 'w8a8'"):
            QuantizedLinear(4, 2, "w8a8_dynamic", **{choice: True})


def test_repr_names_sizes_and_scheme():
    layer = QuantizedLinear(16, 8, "w8a8", bias=False)
    assert repr(layer) == "QuantizedLinear(in_features=16, out_features=8, scheme='w8a8', bias=False)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("w4a8",), r"scheme is 'w4a8', allowed: 'w8a8_dynamic', 'w8a8'"),
        (("w8a8",), r"input_range is None, but scheme 'w8a8' needs one"),
        (("w8a8_dynamic", (0.0, 1.0)), r"'w8a8_dynamic' takes none"),
        (("w8a8", (0.0, 0.0)), r"input_range is \(0.0, 0.0\), allowed: finite and not only zero"),
        (("w8a8", (float("nan"), 1.0)), r"input_range is \(nan, 1.0\)"),
        (("w8a8", (0.0, float("inf"))), r"input_range is \(0.0, inf\)"),
    ],
)
def test_from_float_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        QuantizedLinear.from_float(nn.Linear(4, 2), *arguments)


def test_from_float_refuses_weights_it_cannot_represent():
    linear = nn.Linear(4, 2)
    linear.weight.data[0, 0] = float("nan")
    with pytest.raises(ValueError, match="weight holds NaN or infinity"):
        QuantizedLinear.from_float(linear)
    with pytest.raises(ValueError, match=r"weight is torch.float64, allowed: torch.float32"):
        QuantizedLinear.from_float(nn.Linear(4, 2).double())
    tiny = nn.Linear(4, 2).half()
    tiny.weight.data.mul_(0).add_(1e-4)
    with pytest.raises(ValueError, match=r"deq_scale .* reaches from 0 .* torch.float16"):
        QuantizedLinear.from_float(tiny, "w8a8", (0.0, 1e-4))
