"""How ranges of inputs are found, and the numbers that the tools make of them."""

import math

import a8w8
import pytest
import torch
from a8w8.calibration import MinMax, MovingAverage, Percentile
from a8w8.nn import QuantizedLinear
from a8w8.nn._formulas import quantize_rows
from safetensors.torch import load_file
from torch import nn

FLOAT, STATIC, DYNAMIC = "float-bf16", "msmodelslim-v1-static-bf16", "msmodelslim-v0-dyn-bf16"
COMPRESSED = "compressed-tensors-dyn-bf16"


def quantized(*batches: torch.Tensor, **options) -> QuantizedLinear:
    model = nn.Sequential(nn.Linear(4, 4))
    return a8w8.quantize_model(model, "w8a8", batches, progress=False, **options)[0]


def test_min_and_max_are_those_of_all_batches():
    observer = MinMax()
    for batch in ([[1.0, 2.0]], [[-3.0, 0.5]], [[0.0, 0.25]]):
        observer.add(torch.tensor(batch))
    assert observer.range() == (-3.0, 2.0)


def test_moving_average_weighs_the_newest_batch():
    observer = MovingAverage(0.25)
    for low, high in ((-1.0, 4.0), (-2.0, 8.0), (0.0, 0.0)):
        observer.add(torch.tensor([low, high]))
    assert observer.range() == (-1.25 * 0.75, 5.0 * 0.75)
    layer = quantized(torch.tensor([[0.0, 4.0, 0, 0]]), torch.tensor([[0.0, 8.0, 0, 0]]), method="moving-average")
    assert layer.input_scale.item() == pytest.approx(4.04 / 255)


def exact_range(values: torch.Tensor, percentile: float, symmetric: bool) -> tuple[float, float]:
    count, outside = values.numel(), (100 - percentile) / 100
    if symmetric:
        bound = values.abs().float().sort().values[count - 1 - math.floor(count * outside + 1e-6)].item()
        return -bound, bound
    cut = math.floor(count * outside / 2 + 1e-6)
    ordered = values.float().sort().values
    return ordered[cut].item(), ordered[count - 1 - cut].item()


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("percentile", [99.0, 99.9, 100.0])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_percentile_is_exact_in_bfloat16_and_within_a_step_of_it_elsewhere(dtype, percentile, symmetric):
    values = (torch.randn(30_000) * torch.logspace(-3, 3, 30_000)).to(dtype)
    observer = Percentile(percentile, symmetric)
    for part in values.split(7_001):
        observer.add(part)
    expected = exact_range(values, percentile, symmetric)
    if dtype == torch.bfloat16:
        assert observer.range() == expected
    for found, exact in zip(observer.range(), expected, strict=True):
        assert abs(exact) <= abs(found) <= abs(exact) * (1 + 2.0**-7)


def test_percentile_of_one_sign_and_of_all_zeros():
    observer = Percentile(90.0, symmetric=False)
    observer.add(torch.arange(1.0, 101.0).bfloat16())
    assert observer.range()[1] == 95.0
    observer = Percentile(99.0, symmetric=False)
    observer.add(-torch.ones(50))
    assert observer.range()[0] == -1.0 and observer.range()[1] <= 0
    observer = Percentile(99.0, symmetric=True)
    observer.add(torch.zeros(10))
    assert observer.range() == (0.0, 0.0)


def test_percentile_cuts_what_is_rare_and_needs_the_same_memory_for_any_number_of_values():
    rare = torch.ones(100, 1000)
    rare[0, 0] = 1000.0
    observer = Percentile(99.9, symmetric=False)
    for _ in range(3):
        observer.add(rare)
    assert observer.range() == (1.0, pytest.approx(1.0, rel=2**-7))
    assert observer._counts.nbytes == 1 << 19 and int(observer._counts.sum()) == 300_000


@pytest.mark.parametrize("method", ["minmax", "moving-average", "percentile"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_inputs_that_are_not_finite_are_refused_by_name(method, bad):
    batches = [torch.ones(2, 4), torch.full((2, 4), bad), torch.ones(2, 4)]
    with pytest.raises(ValueError, match=r"^0: input_range is .*(nan|inf).*allowed: finite"):
        quantized(*batches, method=method)


def test_results_do_not_depend_on_the_run():
    batches = [torch.randn(64, 4) for _ in range(3)]
    for method in ("minmax", "moving-average", "percentile"):
        model = nn.Sequential(nn.Linear(4, 4))
        one, two = (a8w8.quantize_model(model, "w8a8", batches, progress=False, method=method) for _ in range(2))
        assert all(torch.equal(one.state_dict()[name], tensor) for name, tensor in two.state_dict().items())


def test_symmetric_ranges_have_no_offset_and_each_format_its_steps():
    x = torch.tensor([[-1.0, 0.5, 2.0, 0.25]])
    ours = quantized(x, method=a8w8.Calibration(symmetric=True))
    assert ours.input_offset.item() == 0 and ours.input_scale.item() == pytest.approx(2 / 127)
    theirs = quantized(x, format="compressed-tensors")
    assert theirs.input_offset.item() == 0 and theirs.input_scale.item() == pytest.approx(2 / 127.5)
    assert theirs.adds_bias and theirs.quant_bias is None
    theirs = quantized(x, format="compressed-tensors", method=a8w8.Calibration(symmetric=False))
    assert theirs.input_scale.item() == pytest.approx(3 / 255) and theirs.input_offset.item() == -43
    assert torch.equal(theirs.quant_bias, 43 * theirs.weight.sum(dim=1, dtype=torch.int32))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "entropy"}, r"method is 'entropy', allowed: 'minmax', 'moving-average', 'percentile'"),
        ({"percentile": 50}, r"percentile is 50, allowed: above 50, at most 100"),
        ({"averaging": 0}, r"averaging is 0, allowed: above 0, at most 1"),
    ],
)
def test_unknown_methods_and_parameters_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        a8w8.Calibration(**options)


def test_options_that_go_together_are_asked_for():
    model, batches = nn.Sequential(nn.Linear(4, 4)), [torch.ones(2, 4)]
    with pytest.raises(ValueError, match=r"scheme 'w8a8_dynamic' has no range to find; did you mean 'w8a8'"):
        a8w8.quantize_model(model, "w8a8_dynamic", method="percentile")
    with pytest.raises(ValueError, match=r"smooth needs an iterable of model inputs"):
        a8w8.quantize_model(model, "w8a8_dynamic", smooth=0.5)
    with pytest.raises(ValueError, match=r"format is 'gguf', allowed: 'msmodelslim', 'compressed-tensors'"):
        a8w8.quantize_model(model, "w8a8", batches, format="gguf")
    with pytest.raises(ValueError, match=r"symmetric is True, but rows are always"):
        QuantizedLinear.from_float(model[0], symmetric=True)


@pytest.fixture(scope="module")
def samples(data):
    read = {}
    for folder in (FLOAT, STATIC, DYNAMIC, COMPRESSED):
        (file,) = (data / folder).glob("*.safetensors")
        read[folder] = load_file(file)
    return read


def sample_layers(samples) -> list[tuple[str, nn.Linear]]:
    """The float layers of the sample that its quantized checkpoints have as int8."""
    layers = []
    for name, weight in samples[FLOAT].items():
        layer = name.removesuffix(".weight")
        if f"{layer}.deq_scale" in samples[STATIC]:
            bias = samples[FLOAT].get(f"{layer}.bias")
            linear = nn.Linear(*reversed(weight.shape), bias=bias is not None, dtype=weight.dtype)
            linear.weight.data, linear.bias = weight, None if bias is None else nn.Parameter(bias)
            layers.append((layer, linear))
    assert len(layers) == 14
    return layers


def test_static_numbers_are_those_of_the_tool(samples):
    for name, linear in sample_layers(samples):
        stored = {role: samples[STATIC].get(f"{name}.{role}") for role in
                  ("weight", "deq_scale", "quant_bias", "input_scale", "input_offset")}  # fmt: skip
        layer = QuantizedLinear.from_float(linear, "w8a8", (-1.0, 1.0))
        assert torch.equal(layer.weight, stored["weight"]), name
        _, weight_scale = quantize_rows(linear.weight, "w8a8", "msmodelslim")
        # The scales of the inputs come from texts that are not at hand.
        layer._set_static(weight_scale.detach(), stored["input_scale"].bfloat16(), stored["input_offset"].bfloat16())
        assert torch.equal(layer.deq_scale, stored["deq_scale"]), name
        assert torch.equal(layer.quant_bias, stored["quant_bias"]), name


@pytest.mark.parametrize("format", ["msmodelslim", "compressed-tensors"])
def test_dynamic_numbers_are_those_of_the_tool(samples, format):
    for name, linear in sample_layers(samples):
        layer = QuantizedLinear.from_float(linear, "w8a8_dynamic", format=format)
        sample = samples[COMPRESSED if format == "compressed-tensors" else DYNAMIC]
        weight, scale = sample[f"{name}.weight"], sample[f"{name}.weight_scale"]
        assert torch.equal(layer.weight_scale, scale.float()), name
        assert torch.equal(layer.weight, weight), name


def test_rows_of_zeros_get_the_scale_that_the_format_gives_them():
    linear = nn.Linear(4, 2, dtype=torch.bfloat16)
    linear.weight.data[0] = 0
    assert QuantizedLinear.from_float(linear).weight_scale[0].item() == 2.0**-14
    theirs = QuantizedLinear.from_float(linear, format="compressed-tensors")
    assert theirs.weight_scale[0].item() == torch.finfo(torch.bfloat16).eps and not theirs.weight[0].any()
