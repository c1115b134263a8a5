"""load_model: every variant of both formats against arithmetic by hand, and every family of models there and back."""

import json
from pathlib import Path

import a8w8
import checkpoint_variants as variants
import numpy as np
import pytest
import tiny_models
import torch
from a8w8.nn import QuantizedLinear

SAMPLES = ("msmodelslim-v1-static-bf16", "msmodelslim-v0-dyn-bf16", "compressed-tensors-dyn-bf16")
LAYERS = ("model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj")


def expected_of(folder: Path) -> dict[str, torch.Tensor]:
    with np.load(folder / "expected.npz") as stored:
        return {name: torch.from_numpy(stored[name]) for name in stored.files}


def quantized_layers(model: torch.nn.Module) -> dict[str, QuantizedLinear]:
    return {name: module for name, module in model.named_modules() if isinstance(module, QuantizedLinear)}


@pytest.mark.parametrize("sample", SAMPLES)
@torch.no_grad()
def test_samples_give_the_tools_numbers(data, sample):
    expected = expected_of(data / sample)
    model = a8w8.load_model(data / sample, dtype=torch.float32)
    logits = model(expected["input_ids"]).logits[0]
    torch.testing.assert_close(logits, expected["logits_int_exact_f32math"], rtol=0, atol=1e-4)
    assert len(quantized_layers(model)) == 14 and type(model.lm_head) is torch.nn.Linear

    model = a8w8.load_model(data / sample)
    for layer in LAYERS:
        x, y = (expected[f"{layer}/{what}"] for what in ("x", "y"))
        assert torch.equal(model.get_submodule(layer)(x.bfloat16()).float(), y)


@torch.no_grad()
def test_vllm_ascend_parity_on_the_static_sample(data):
    """The sample has logits for it; of the layers the difference to exact division is known in size only."""
    folder = data / SAMPLES[0]
    expected = expected_of(folder)
    model = a8w8.load_model(folder, parity="vllm-ascend")
    assert all(layer.reciprocal for layer in quantized_layers(model).values())
    error = (model(expected["input_ids"]).logits[0].float() - expected["logits_int_vllm_ascend"]).abs()
    assert error.max() < 0.2 and error.mean() < 0.03  # PyTorch's bfloat16 between the layers: see test_checkpoint

    for name in LAYERS:
        layer, x, x_q, y = model.get_submodule(name), *(expected[f"{name}/{what}"] for what in ("x", "x_q", "y"))
        factor = (1 / layer.input_scale.bfloat16()).float()
        by_hand = torch.round(x * factor + layer.input_offset).clamp(-128, 127)
        changed = (by_hand != x_q).float().mean()
        assert 0 < changed < 0.01
        sums = by_hand.double() @ layer.weight.double().t() + layer.quant_bias
        found = layer(x.bfloat16())
        assert torch.equal(found, (sums.float() * layer.deq_scale).bfloat16())
        assert 0 < (found.float() - y).abs().max() < 0.01 * y.abs().max()


CASES = {
    "float16, int64 deq_scale": (lambda folder: variants.float16_static(folder), {}),
    "float16, vllm-ascend": (lambda folder: variants.float16_static(folder, "vllm-ascend"), {"parity": "vllm-ascend"}),
    "mix, dynamic": (lambda folder: variants.mixed(folder, "dynamic"), {}),
    "mix, static": (lambda folder: variants.mixed(folder, "static"), {"mix": "static"}),
    "w4a8": (lambda folder: variants.w4a8(folder), {}),
    "compressed-tensors, symmetric": (lambda folder: variants.compressed_tensors_static(folder, True), {}),
    "compressed-tensors, asymmetric": (lambda folder: variants.compressed_tensors_static(folder, False), {}),
    "compressed-tensors, vllm-ascend": (
        lambda folder: variants.compressed_tensors_static(folder, False, "vllm-ascend"),
        {"parity": "vllm-ascend"},
    ),
}


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_variants_without_sample_are_computed_as_by_hand(case, tmp_path):
    write, options = CASES[case]
    variant = write(tmp_path / "checkpoint")
    model = a8w8.load_model(tmp_path / "checkpoint", **options)
    layers = quantized_layers(model)
    assert layers.keys() == variant.by_hand.keys()
    assert model.dtype == variant.model.dtype
    for name, layer in layers.items():
        x = (torch.randn(9, layer.in_features) * 2).to(model.dtype)
        assert torch.equal(layer(x), variant.by_hand[name](x)), name
    logits = model(variants.IDS).logits
    assert torch.equal(logits, variant.outputs())
    assert (logits - variant.model(variants.IDS).logits).abs().max() > 0
    assert repr(model) == repr(a8w8.load_model(tmp_path / "checkpoint", **options))


@pytest.mark.parametrize(("family", "scheme"), tiny_models.CASES)
def test_families_there_and_back(family, scheme, tmp_path):
    dtype = torch.bfloat16 if family in ("llama", "phi3") else torch.float32
    model = tiny_models.build(family, dtype)
    calibration = [{"input_ids": tiny_models.IDS}] if scheme == "w8a8" else None
    model = a8w8.quantize_model(model, scheme, calibration, progress=False)
    a8w8.save_checkpoint(model, tmp_path / "out")
    loaded = a8w8.load_model(tmp_path / "out")
    assert type(loaded) is type(model) and loaded.dtype == dtype and not loaded.training
    assert quantized_layers(loaded).keys() == quantized_layers(model).keys()
    assert not any(tensor.is_meta for tensor in (*loaded.parameters(), *loaded.buffers()))
    assert torch.equal(tiny_models.output(loaded), tiny_models.output(model))
    if loaded.can_generate():
        options = {"max_new_tokens": 5, "do_sample": False}
        ids = tiny_models.IDS
        assert torch.equal(loaded.generate(ids, **options), model.generate(ids, **options))


def test_a_float_folder_gives_the_float_model(tmp_path):
    model = tiny_models.build("llama")
    model.save_pretrained(tmp_path / "float")
    loaded = a8w8.load_model(tmp_path / "float")
    assert not quantized_layers(loaded)
    assert torch.equal(tiny_models.output(loaded), tiny_models.output(model))


def test_the_folders_generation_config_is_used(tmp_path):
    model = a8w8.quantize_model(tiny_models.build("llama"), "w8a8_dynamic", progress=False)
    a8w8.save_checkpoint(model, tmp_path / "out")
    assert a8w8.load_model(tmp_path / "out").generation_config.max_length == 20
    (tmp_path / "out" / "generation_config.json").write_text(json.dumps({"max_length": 9, "eos_token_id": 7}))
    loaded = a8w8.load_model(tmp_path / "out")
    assert loaded.generation_config.max_length == 9
    assert loaded.generate(tiny_models.IDS[:1]).shape[1] <= 9


def test_a_quantized_head_is_not_tied_to_the_embedding(tmp_path):
    model = tiny_models.build("llama")
    quantized = a8w8.quantize_model(model, "w8a8_dynamic", progress=False)
    a8w8.save_checkpoint(quantized, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    (tmp_path / "out" / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))
    loaded = a8w8.load_model(tmp_path / "out")
    assert isinstance(loaded.lm_head, QuantizedLinear)
    assert torch.equal(tiny_models.output(loaded), tiny_models.output(quantized))


def test_arguments(tmp_path):
    with pytest.raises(ValueError, match=r"mix is 'both', allowed: 'dynamic', 'static'"):
        a8w8.load_model(tmp_path, mix="both")
    with pytest.raises(ValueError, match=r"parity is 'vllm', allowed: 'exact', 'vllm-ascend'"):
        a8w8.load_model(tmp_path, parity="vllm")
