"""quantize_model: which layers, which ranges, what stays as it was; and compare, which tells what it costs."""

import math

import a8w8
import pytest
import torch
from a8w8.nn import QuantizedLinear
from conftest import token_batches
from torch import nn


def small() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 4))


def quantized_names(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, QuantizedLinear)]


@pytest.mark.parametrize("scheme", ["w8a8_dynamic", "w8a8"])
def test_bert_stays_close_and_the_original_untouched(bert, scheme):
    batches = token_batches()
    before = {name: tensor.clone() for name, tensor in bert.state_dict().items()}
    model = a8w8.quantize_model(bert, scheme, batches if scheme == "w8a8" else None, progress=False)
    assert len(quantized_names(model)) == 13
    assert not quantized_names(bert)
    assert all(torch.equal(tensor, before[name]) for name, tensor in bert.state_dict().items())
    assert model.embeddings.word_embeddings.weight is bert.embeddings.word_embeddings.weight
    with torch.no_grad():
        y, q = (m(**batches[0]).last_hidden_state.flatten() for m in (bert, model))
    assert torch.cosine_similarity(y, q, dim=0) > 0.999


def test_calibration_takes_the_extremes_of_all_batches_in_evaluation_mode():
    model = small().train()
    model[1].eval()
    first, second = torch.rand(3, 8), -torch.rand(5, 8) * 3
    static = a8w8.quantize_model(model, "w8a8", [first, (second,)], progress=False)
    spread = first.max() - second.min()
    assert torch.equal(static[0].input_scale, (spread / 255).reshape(1))
    hidden = torch.relu(torch.cat([model[0](first), model[0](second)])).max()  # no dropout, which would double it
    torch.testing.assert_close(static[3].input_scale, (hidden / 255).detach().reshape(1))
    assert static[3].input_offset.tolist() == [-128.0]
    assert [module.training for module in model] == [True, False, True, True]
    assert not model[0]._forward_pre_hooks


def test_skip_by_name_and_by_pattern(bert):
    model = a8w8.quantize_model(bert, "w8a8_dynamic", skip=("pooler.dense", "*.attention.*"), progress=False)
    assert quantized_names(model) == [
        f"encoder.layer.{i}.{kind}.dense" for i in (0, 1) for kind in ("intermediate", "output")
    ]


def test_what_others_use_the_weight_of_stays_float():
    model = nn.ModuleDict(
        {"tokens": nn.Embedding(10, 8), "inner": nn.Linear(8, 8), "head": nn.Linear(8, 10, bias=False)}
    )
    model["head"].weight = model["tokens"].weight
    model["attention"] = nn.MultiheadAttention(8, 2)  # reads out_proj.weight itself
    assert quantized_names(a8w8.quantize_model(model, "w8a8_dynamic", progress=False)) == ["inner"]


def test_a_layer_used_twice_stays_one_layer():
    linear = nn.Linear(8, 8)
    model = a8w8.quantize_model(nn.Sequential(linear, nn.ReLU(), linear), "w8a8_dynamic", progress=False)
    assert isinstance(model[0], QuantizedLinear) and model[0] is model[2]


def test_progress_bars_are_shown_on_request(capsys):
    a8w8.quantize_model(small(), "w8a8_dynamic", progress=False)
    assert capsys.readouterr().out == ""
    a8w8.quantize_model(small(), "w8a8", [torch.rand(2, 8)])
    shown = capsys.readouterr().out
    assert "Calibrating" in shown and "1/1" in shown and "Quantizing" in shown
    a8w8.quantize_model(small(), "w8a8", (torch.rand(2, 8) for _ in range(3)))
    assert "3/?" in capsys.readouterr().out


NAN = torch.full((2, 8), float("nan"))


@pytest.mark.parametrize(
    ("scheme", "options", "message"),
    [
        ("int8", {}, r"scheme is 'int8', allowed: 'w8a8_dynamic', 'w8a8'"),
        ("w8a8", {}, r"calibration is None, but scheme 'w8a8' needs"),
        (
            "w8a8_dynamic",
            {"calibration": [torch.rand(2, 8)]},
            r"calibration is given, but scheme 'w8a8_dynamic' takes none",
        ),
        ("w8a8", {"calibration": []}, r"calibration \(0 batches\) did not reach 2 of 2 layers: 0, 3"),
        ("w8a8", {"calibration": [torch.rand(0, 8)]}, r"calibration \(1 batches\) did not reach"),
        ("w8a8", {"calibration": [torch.rand(2, 8), NAN, torch.rand(2, 8)]}, r"^0: input_range is \(nan, nan\)"),
        ("w8a8", {"calibration": [torch.zeros(2, 8)]}, r"^0: input_range is \(0.0, 0.0\)"),
        ("w8a8_dynamic", {"skip": ["lm_haed"]}, r"skip holds 'lm_haed', which matches none of the 2 linear layers"),
        ("w8a8_dynamic", {"skip": ["*"]}, r"no layer to quantize: 2 of type nn.Linear, all skipped or tied"),
    ],
)
def test_refusals(scheme, options, message):
    with pytest.raises(ValueError, match=message):
        a8w8.quantize_model(small(), scheme, **options, progress=False)


def test_a_single_layer_is_not_a_model():
    with pytest.raises(ValueError, match=r"use QuantizedLinear\.from_float"):
        a8w8.quantize_model(nn.Linear(4, 4), "w8a8_dynamic", progress=False)


def test_compare_measures_each_layer_on_the_inputs_of_the_original():
    model, x = small().eval(), torch.randn(64, 8)
    quantized = a8w8.quantize_model(model, "w8a8_dynamic", progress=False)
    rows = {row.name: row for row in a8w8.compare(model, quantized, [x[:32], x[32:]], progress=False).rows}
    with torch.no_grad():
        hidden = torch.relu(model[0](x))
        y, q = model[3](hidden).double(), quantized[3](hidden).double()
    row = rows["3"]
    assert row.sqnr_db == pytest.approx(10 * math.log10((y**2).sum() / ((y - q) ** 2).sum()), rel=1e-4)
    assert row.cosine == pytest.approx(float(torch.cosine_similarity(y.flatten(), q.flatten(), dim=0)))
    assert row.max_error == pytest.approx(float((y - q).abs().max()), rel=1e-4)
    assert not model[0]._forward_hooks


def test_compare_puts_the_worst_layer_first(bert):
    quantized = a8w8.quantize_model(bert, "w8a8_dynamic", progress=False)
    spoilt = "encoder.layer.1.output.dense"
    quantized.get_submodule(spoilt).weight_scale *= 1.5
    comparison = a8w8.compare(bert, quantized, token_batches(), progress=False)
    assert len(comparison.rows) == 13
    assert comparison.rows[0].name == spoilt
    assert comparison.rows[0].sqnr_db == pytest.approx(20 * math.log10(2), abs=0.2)  # half of the signal is error
    lines = comparison.table(limit=2).splitlines()
    assert len(lines) == 3 and lines[1].startswith(spoilt)


def test_compare_refuses_what_has_nothing_in_common():
    model = small()
    quantized = a8w8.quantize_model(model, "w8a8_dynamic", progress=False)
    with pytest.raises(ValueError, match="holds no QuantizedLinear"):
        a8w8.compare(model, model, [], progress=False)
    with pytest.raises(ValueError, match="lacks layers of model: 3"):
        a8w8.compare(model[:2], quantized, [], progress=False)
    with pytest.raises(ValueError, match=r"inputs \(0 batches\) reach none of the 2"):
        a8w8.compare(model, quantized, [], progress=False)
