"""compare: what makes a layer's error, saturation, and the models' ends."""

import json
import math

import a8w8
import pytest
import torch
from a8w8.comparison import layer_meter, layer_numbers, sums
from a8w8.nn import QuantizedLinear, pack_weights_
from conftest import tiny_bert, token_batches
from model_support import tiny_llama
from torch import Tensor, nn


def row_of(linear: nn.Linear, quantized: QuantizedLinear, *inputs: Tensor):
    """The only row of two models of one layer."""
    return a8w8.compare(nn.Sequential(linear), nn.Sequential(quantized), inputs, progress=False).rows[0]


def linear_of(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, dtype=weight.dtype)
    with torch.no_grad():
        linear.weight.copy_(weight)
        if bias is not None:
            linear.bias.copy_(bias)
    return linear


def whole_numbers(*shape: int) -> Tensor:
    """Rows with a largest value of 127, which int8 holds exactly with scale 1."""
    values = torch.randint(-126, 127, shape).float()
    values[..., 0] = 127
    return values


def test_no_error_has_no_cause():
    linear = linear_of(whole_numbers(5, 16))
    row = row_of(linear, QuantizedLinear.from_float(linear), whole_numbers(7, 16))
    assert row.sqnr_db == math.inf and row.causes == {} and row.main_cause == ""
    assert row.saturated > 0 and row.clipped == 0


def test_weights_that_are_rounded_are_the_cause():
    linear = linear_of(torch.randn(5, 16))
    row = row_of(linear, QuantizedLinear.from_float(linear), whole_numbers(7, 16))
    assert row.main_cause == "weight rounding" and row.causes["weight rounding"] > 0.999


def test_activations_that_are_rounded_are_the_cause():
    linear = linear_of(whole_numbers(5, 16))
    row = row_of(linear, QuantizedLinear.from_float(linear), torch.randn(7, 16))
    assert row.main_cause == "activation rounding" and row.causes["activation rounding"] > 0.999
    assert row.causes["activation clipping"] == 0
    assert 1 / 16 <= row.saturated < 0.2  # the largest of each row, at least


def test_a_range_that_is_too_narrow_clips():
    x = torch.randint(-128, 128, (64, 16)).float()
    linear = linear_of(whole_numbers(5, 16))
    narrow = QuantizedLinear.from_float(linear, "w8a8", (-64.0, 63.5))  # scale 0.5, offset 0
    row = row_of(linear, narrow, x)
    assert row.main_cause == "activation clipping" and row.causes["activation clipping"] > 0.999
    assert row.clipped == pytest.approx(float(((x < -64) | (x > 63.5)).float().mean()))
    assert row.saturated == pytest.approx(float(((x <= -64) | (x >= 63.5)).float().mean()))


def test_a_bias_that_is_no_whole_number_of_steps_is_the_cause():
    linear = linear_of(whole_numbers(5, 16), torch.rand(5))
    static = QuantizedLinear.from_float(linear, "w8a8", (-128.0, 127.0))  # scale 1
    row = row_of(linear, static, whole_numbers(7, 16))
    assert row.main_cause == "bias" and row.causes["bias"] > 0.999


@pytest.mark.parametrize("scheme", ["w8a8", "w8a8_dynamic"])
def test_shares_are_those_of_layers_that_replay_one_cause_each(scheme):
    linear = nn.Linear(32, 12)
    x = torch.randn(40, 32)
    quantized = QuantizedLinear.from_float(linear, scheme, (-2.0, 1.5) if scheme == "w8a8" else None)
    row = row_of(linear, quantized, x)

    # The same from the formulas in QuantizedLinear's docstring, whole layers at a time.
    w, b, wide = linear.weight.detach().double(), linear.bias.detach().double(), x.double()
    exact = wide @ w.T + b
    if scheme == "w8a8":
        s, o = quantized.input_scale.double(), quantized.input_offset.double()
        clipped = wide.clamp(float((-128 - o) * s), float((127 - o) * s))
        seen = ((x / quantized.input_scale + quantized.input_offset).round().clamp(-128, 127).double() - o) * s
        int8_weight = quantized.weight.double() * (quantized.deq_scale.double() / s)[:, None]
        row_sums = quantized.weight.double().sum(dim=1)
        bias = (quantized.quant_bias.double() + o * row_sums) * quantized.deq_scale.double()
    else:
        scale = x.abs().amax(dim=1, keepdim=True) / 127
        clipped, seen = wide, ((x / scale).round() * scale.double()).double()
        int8_weight = quantized.weight.double() * quantized.weight_scale.double()
        bias = b
    powers = {
        "weight rounding": wide @ int8_weight.T + b - exact,
        "activation rounding": (wide + seen - clipped) @ w.T + b - exact,
        "activation clipping": clipped @ w.T + b - exact,
        "bias": wide @ w.T + bias - exact,
    }
    with torch.no_grad():
        powers["rest"] = (quantized(x).double() - linear(x).double()) - sum(powers.values())
    powers = {cause: float(error.square().sum()) for cause, error in powers.items()}
    assert row.causes == pytest.approx({c: p / sum(powers.values()) for c, p in powers.items()}, rel=1e-3, abs=1e-9)
    assert (row.clipped > 0.03) == (scheme == "w8a8")


def test_pieces_do_not_change_the_figures(monkeypatch):
    linear = nn.Linear(32, 12)
    quantized = QuantizedLinear.from_float(linear, "w8a8", (-2.0, 1.5))
    x = torch.randn(3, 50, 32)
    whole = row_of(linear, quantized, x)
    monkeypatch.setattr(sums, "_PIECE", 7)
    monkeypatch.setattr(layer_meter, "_ROWS", 11)
    monkeypatch.setattr(layer_numbers, "_BLOCK", 64)
    pieces = row_of(linear, quantized, x)
    assert pieces.causes == pytest.approx(whole.causes)
    assert (pieces.saturated, pieces.clipped, pieces.max_error) == (whole.saturated, whole.clipped, whole.max_error)
    assert pieces.sqnr_db == pytest.approx(whole.sqnr_db)


def sqnr(y: Tensor, q: Tensor) -> float:
    return float(10 * torch.log10(y.double().square().sum() / (y.double() - q.double()).square().sum()))


@pytest.mark.parametrize("scheme", ["w8a8", "w8a8_dynamic"])
@pytest.mark.parametrize("kinds", [("columns",), ("rows",), ("columns", "rows")])
def test_a_smoothed_layer_is_given_smoothed_inputs(scheme, kinds):
    linear, norm = nn.Linear(64, 96), nn.LayerNorm(64, bias=False)
    t = torch.rand(64) * 3 + 0.3 if "columns" in kinds else torch.ones(64)
    u = torch.rand(96) * 3 + 0.3 if "rows" in kinds else torch.ones(96)
    x, reference = torch.randn(50, 64) * 2, nn.Sequential(norm, linear)
    smooth_norm = nn.LayerNorm(64, bias=False)
    with torch.no_grad():
        norm.weight.copy_(torch.rand(64) + 0.5)
        smooth_norm.weight.copy_(norm.weight / t)
        seen = smooth_norm(x)
        smooth = linear_of(u[:, None] * linear.weight * t, u * linear.bias)
        limits = (float(seen.min()), float(seen.max())) if scheme == "w8a8" else None
        quantized = QuantizedLinear.from_float(smooth, scheme, limits)
        expected = sqnr(linear(norm(x)), quantized(seen) / u)
    row = a8w8.compare(reference, nn.Sequential(smooth_norm, quantized), [x], progress=False).rows[0]
    assert row.smoothed and row.sqnr_db > 20
    assert row.sqnr_db == pytest.approx(expected, abs=0.5)
    assert row.causes["bias"] + row.causes["rest"] < 0.1
    assert not row_of(linear, QuantizedLinear.from_float(linear), x).smoothed


def test_another_weight_is_no_smoothing():
    row = row_of(nn.Linear(64, 96), QuantizedLinear.from_float(nn.Linear(64, 96)), torch.randn(50, 64))
    assert not row.smoothed and row.sqnr_db < 3


def test_a_wrong_scale_is_no_smoothing():
    linear = nn.Linear(64, 96)
    wrong = QuantizedLinear.from_float(linear)
    wrong.weight_scale *= 1.5
    row = row_of(linear, wrong, torch.randn(50, 64))
    assert not row.smoothed and row.sqnr_db < 7 and row.main_cause == "weight rounding"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_takes_references_of_each_dtype_and_packed_models(dtype):
    model = tiny_llama(dtype)
    quantized = a8w8.quantize_model(model, "w8a8_dynamic", progress=False)
    batches = token_batches()
    plain = a8w8.compare(model, quantized, batches, progress=False)
    assert len(plain.rows) == 15 and min(row.sqnr_db for row in plain.rows) > 25
    assert all(sum(row.causes.values()) == pytest.approx(1) for row in plain.rows)
    end = plain.end_to_end
    assert end.output == "logits" and end.positions == 64 and end.sqnr_db > 20 and end.top1_agreement > 0.7
    assert pack_weights_(quantized) == 15
    assert a8w8.compare(model, quantized, batches, progress=False) == plain


def test_the_int64_form_of_deq_scale_counts_as_its_float():
    linear = nn.Linear(32, 12).half()
    quantized = QuantizedLinear.from_float(linear, "w8a8", (-3.0, 3.0))
    assert quantized.deq_scale.dtype == torch.int64
    row = row_of(linear, quantized, torch.randn(40, 32).half().clamp(-3, 3))
    assert row.sqnr_db > 30 and row.causes["bias"] < 0.2 and row.causes["weight rounding"] < 0.9


def test_a_bias_added_after_scaling_and_a_reciprocal_scale():
    linear = nn.Linear(32, 12)
    quantized = QuantizedLinear.from_float(linear, "w8a8", (-4.0, 4.1))
    sums_of_rows = quantized.weight.sum(dim=1).double()
    quantized.quant_bias = -(quantized.input_offset.double() * sums_of_rows).to(torch.int32)
    quantized.adds_bias = True
    bias = layer_numbers.effective_bias(quantized, quantized.weight)
    assert torch.allclose(bias, linear.bias.detach().double(), atol=1e-6)

    x = torch.randn(5, 32).bfloat16()
    quantized.reciprocal = True
    seen = layer_numbers.seen_input(quantized, x)
    r = (1 / quantized.input_scale.bfloat16()).float()
    q = (x.float() * r + quantized.input_offset).round().clamp(-128, 127)
    expected = (q.double() - quantized.input_offset.double()) * quantized.input_scale.double()
    assert torch.allclose(x.double() + seen.rounding, expected)


def test_padding_does_not_count():
    model = tiny_bert()
    quantized = a8w8.quantize_model(model, "w8a8_dynamic", progress=False)
    batch = token_batches(1)[0]
    batch["attention_mask"][0, 5:] = 0
    end = a8w8.compare(model, quantized, [batch], progress=False).end_to_end
    with torch.no_grad():
        y, q = (m(**batch).last_hidden_state[batch["attention_mask"].bool()].double() for m in (model, quantized))
    assert end.output == "last_hidden_state" and end.positions == len(y) == 29
    assert end.sqnr_db == pytest.approx(10 * math.log10(y.square().sum() / (y - q).square().sum()))
    assert end.top1_agreement is None
    assert 0.99 < end.worst_embedding_cosine <= end.embedding_cosine <= 1


def test_end_to_end_can_be_left_out():
    model = tiny_bert()
    quantized = a8w8.quantize_model(model, "w8a8_dynamic", progress=False)
    assert a8w8.compare(model, quantized, token_batches(1), progress=False, end_to_end=False).end_to_end is None


def test_models_of_different_sizes_are_refused():
    quantized = nn.Sequential(QuantizedLinear.from_float(nn.Linear(8, 5)))
    with pytest.raises(ValueError, match=r"^0: weight is \(5, 9\) in reference, \(5, 8\) in model"):
        a8w8.compare(nn.Sequential(nn.Linear(9, 5)), quantized, [torch.rand(2, 9)], progress=False)


def test_json_has_everything_and_no_infinities():
    linear = linear_of(whole_numbers(5, 16))
    comparison = a8w8.compare(
        nn.Sequential(linear),
        nn.Sequential(QuantizedLinear.from_float(linear)),
        [whole_numbers(7, 16)],
        progress=False,
        about={"model": "m"},
    )
    document = json.loads(comparison.json(), parse_constant=pytest.fail)
    assert document["about"] == {"model": "m"}
    assert document["layers"][0]["name"] == "0" and document["layers"][0]["sqnr_db"] is None
    assert document["end_to_end"]["cosine"] == pytest.approx(1)
    assert "1 layers" in comparison.summary() and comparison.table().splitlines()[1].startswith("0 ")
