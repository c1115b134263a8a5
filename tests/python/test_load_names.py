"""load_model where names are not those of the model, or where norms have a bias that their class does not have."""

import copy
import json
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path

import a8w8
import pytest
import tiny_models
import torch
from a8w8._fused_layers import with_layers_of
from a8w8._stored_checkpoint import StoredCheckpoint, StoredLayer
from a8w8.nn import QuantizedLinear
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


def saved(family: str, folder: Path, scheme: str = "w8a8_dynamic") -> nn.Module:
    calibration = [{"input_ids": tiny_models.IDS}] if scheme == "w8a8" else None
    model = a8w8.quantize_model(tiny_models.build(family), scheme, calibration, progress=False)
    a8w8.save_checkpoint(model, folder)
    return model


def edit(folder: Path, change: Callable[[dict[str, Tensor], dict[str, str]], None]) -> None:
    """Rewrites the only weights file and the description; `change` gets tensors and their types."""
    (file,) = folder.glob("*.safetensors")
    description = json.loads((folder / "quant_model_description.json").read_text())
    tensors = {name: tensor.clone() for name, tensor in load_file(file).items()}
    types = {name: description.pop(name) for name in tensors}
    change(tensors, types)
    for index in folder.glob("*.index.json"):
        index.unlink()
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    (folder / "quant_model_description.json").write_text(json.dumps(description | types))


def rename(old: str, new: str) -> Callable[[dict[str, Tensor], dict[str, str]], None]:
    """Changes the beginning of each name."""

    def change(tensors: dict[str, Tensor], types: dict[str, str]) -> None:
        for name in list(tensors):
            if name.startswith(old):
                tensors[new + name.removeprefix(old)] = tensors.pop(name)
                types[new + name.removeprefix(old)] = types.pop(name)

    return change


@pytest.mark.parametrize(
    ("family", "prefix"), [("llama", "model."), ("bert_classifier", "bert."), ("gpt_neox", "gpt_neox.")]
)
def test_names_without_the_base_models_prefix(family, prefix, tmp_path):
    model = saved(family, tmp_path / "out")
    edit(tmp_path / "out", rename(prefix, ""))
    assert torch.equal(tiny_models.output(a8w8.load_model(tmp_path / "out")), tiny_models.output(model))


@pytest.mark.parametrize(("family", "prefix"), [("bert", "bert."), ("qwen2_base", "model.")])
def test_names_with_the_prefix_for_a_base_model(family, prefix, tmp_path):
    model = saved(family, tmp_path / "out")
    edit(tmp_path / "out", rename("", prefix))
    assert torch.equal(tiny_models.output(a8w8.load_model(tmp_path / "out")), tiny_models.output(model))


def test_a_base_model_leaves_the_head_out(tmp_path):
    from transformers import AutoModel, LlamaModel

    model = saved("llama", tmp_path / "out")
    for model_class in (AutoModel, LlamaModel):
        loaded = a8w8.load_model(tmp_path / "out", model_class=model_class)
        assert type(loaded) is LlamaModel
        assert torch.equal(tiny_models.output(loaded), tiny_models.output(model.model))


def test_old_names_of_a_models_parts(tmp_path):
    """transformers has renamed the parts of models for images and text; older checkpoints keep their names."""
    model = a8w8.quantize_model(tiny_models.build("qwen2_vl", torch.bfloat16), "w8a8_dynamic", progress=False)
    a8w8.save_checkpoint(model, tmp_path / "out")
    edit(tmp_path / "out", rename("model.visual.", "visual."))
    edit(tmp_path / "out", rename("model.language_model.", "model."))
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    config["text_config"]["dtype"] = config.pop("dtype")
    (tmp_path / "out" / "config.json").write_text(json.dumps(config))
    loaded = a8w8.load_model(tmp_path / "out")
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.bfloat16}
    assert torch.equal(tiny_models.output(loaded), tiny_models.output(model))


def test_old_names_of_layer_norms(tmp_path):
    model = saved("bert", tmp_path / "out")

    def change(tensors, types):
        for name in list(tensors):
            if "LayerNorm" in name:
                old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
                tensors[old], types[old] = tensors.pop(name), types.pop(name)

    edit(tmp_path / "out", change)
    assert torch.equal(tiny_models.output(a8w8.load_model(tmp_path / "out")), tiny_models.output(model))


FUSED = {
    "self_attn.qkv_proj": {"q_proj": 32, "k_proj": 16, "v_proj": 16},
    "mlp.gate_up_proj": {"gate_proj": 64, "up_proj": 64},
}
ONE = ("input_scale", "input_offset")


def split_rows(tensors: dict[str, Tensor], types: dict[str, str]) -> None:
    for name in list(tensors):
        layer, _, kind = name.rpartition(".")
        for fused, rows in FUSED.items():
            if layer.endswith(fused):
                tensor, quant_type = tensors.pop(name), types.pop(name)
                pieces = [tensor] * len(rows) if kind in ONE else tensor.split(list(rows.values()))
                for shard, piece in zip(rows, pieces, strict=True):
                    new = f"{layer.rpartition('.')[0]}.{shard}.{kind}"
                    tensors[new], types[new] = piece.clone(), quant_type


@pytest.mark.parametrize("scheme", ["w8a8_dynamic", "w8a8"])
def test_shards_for_a_fused_layer(scheme, tmp_path):
    model = saved("phi3", tmp_path / "out", scheme)
    edit(tmp_path / "out", split_rows)
    loaded = a8w8.load_model(tmp_path / "out")
    assert loaded.model.layers[0].self_attn.qkv_proj.scheme == scheme
    assert torch.equal(tiny_models.output(loaded), tiny_models.output(model))


def test_float_shards_for_a_fused_layer(tmp_path):
    quantized = a8w8.quantize_model(
        tiny_models.build("phi3"), "w8a8_dynamic", skip=["lm_head", "*qkv_proj"], progress=False
    )
    a8w8.save_checkpoint(quantized, tmp_path / "out")
    edit(tmp_path / "out", split_rows)
    loaded = a8w8.load_model(tmp_path / "out")
    assert type(loaded.model.layers[0].self_attn.qkv_proj) is nn.Linear
    assert torch.equal(tiny_models.output(loaded), tiny_models.output(quantized))


@pytest.mark.parametrize("scheme", ["w8a8_dynamic", "w8a8"])
def test_a_fused_layer_for_separate_ones_is_not_copied(scheme, tmp_path):
    model = saved("llama", tmp_path / "out", scheme)

    def fuse(tensors, types):
        for name in list(tensors):
            for fused, rows in FUSED.items():
                first = f"{fused.rpartition('.')[0]}.{next(iter(rows))}."
                if first in name:
                    names = [name.replace(next(iter(rows)), shard) for shard in rows]
                    pieces = [tensors.pop(each) for each in names]
                    new = name.replace(next(iter(rows)), fused.rpartition(".")[2])
                    one = name.rpartition(".")[2] in ONE
                    tensors[new] = pieces[0] if one else torch.cat(pieces)
                    types[new] = [types.pop(each) for each in names][0]

    edit(tmp_path / "out", fuse)
    loaded = a8w8.load_model(tmp_path / "out")
    assert torch.equal(tiny_models.output(loaded), tiny_models.output(model))
    attention = loaded.model.layers[1].self_attn
    assert attention.k_proj.weight.data_ptr() == attention.q_proj.weight.data_ptr() + attention.q_proj.weight.numel()


def _break(change: Callable[[dict[str, Tensor], dict[str, str]], None]):
    def both(tensors, types):
        split_rows(tensors, types)
        change(tensors, types)

    return both


K = "model.layers.0.self_attn.k_proj"


def _float_shard(tensors, types):
    for name in [name for name in tensors if name.startswith(K)]:
        del tensors[name], types[name]
    tensors[f"{K}.weight"], types[f"{K}.weight"] = torch.randn(16, 32), "FLOAT"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            _float_shard,
            r"k_proj\.weight\" is of type FLOAT, but .*q_proj\.weight, which runtimes fuse with it, of W8A8",
        ),
        (
            lambda tensors, types: tensors.update({f"{K}.input_scale": torch.tensor([0.5])}),
            r"qkv_proj in one piece.* one input_scale, but have: .*k_proj 0\.5",
        ),
        (
            lambda tensors, types: [(tensors.pop(n), types.pop(n)) for n in list(tensors) if n.startswith(K)],
            r"qkv_proj is .*q_proj \+ .*k_proj \+ .*v_proj in the checkpoint, which lacks .*k_proj",
        ),
    ],
)
def test_shards_that_do_not_fit_are_named(change, message, tmp_path):
    saved("phi3", tmp_path / "out", "w8a8")
    edit(tmp_path / "out", _break(change))
    with pytest.raises((ValueError, RuntimeError), match=message), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shards with scales of their own are no error for models with separate layers
        a8w8.load_model(tmp_path / "out")


def test_shards_of_one_layer_have_one_type():
    """Whatever the reader lets through."""
    rows = {"q_proj": 32, "k_proj": 16, "v_proj": 16}
    names = {f"model.layers.0.self_attn.{shard}": count for shard, count in rows.items()}
    tensors = {f"{name}.weight": torch.zeros(count, 32, dtype=torch.int8) for name, count in names.items()}
    layers = dict.fromkeys(names, StoredLayer("w8a8", "W8A8", False))
    layers[K] = StoredLayer("w8a8_dynamic", "W8A8_DYNAMIC", False)
    with pytest.raises(
        ValueError, match=r"qkv_proj in one piece.*: .*q_proj W8A8, .*k_proj W8A8_DYNAMIC, .*v_proj W8A8"
    ):
        with_layers_of(tiny_models.build("phi3"), StoredCheckpoint("msmodelslim", (), layers, tensors))


@pytest.mark.parametrize("form", ["bias", "module", "module.weight alone"])
def test_norms_with_a_bias(form, tmp_path):
    """Outlier suppression gives RMSNorm a bias, by either of two names; the model adds it."""
    model = saved("llama", tmp_path / "out")
    biases = {name: torch.randn(32) for name in ("model.layers.0.input_layernorm", "model.norm")}

    def change(tensors, types):
        for norm, bias in biases.items():
            name = f"{norm}.module.bias" if form == "module" else f"{norm}.bias"
            tensors[name], types[name] = bias, "FLOAT"
            if form != "bias":
                tensors[f"{norm}.module.weight"] = tensors.pop(f"{norm}.weight")
                types[f"{norm}.module.weight"] = types.pop(f"{norm}.weight")

    edit(tmp_path / "out", change)
    loaded = a8w8.load_model(tmp_path / "out")
    x = torch.randn(2, 3, 32)
    for name, bias in biases.items():
        norm, plain = loaded.get_submodule(name), model.get_submodule(name)
        expected = x / torch.sqrt((x * x).mean(-1, keepdim=True) + plain.variance_epsilon) * plain.weight + bias
        for each in (norm, copy.deepcopy(norm), pickle.loads(pickle.dumps(norm))):
            torch.testing.assert_close(each(x), expected)
            assert isinstance(each, type(plain)) and torch.equal(each(x), plain(x) + bias)
        assert list(norm.state_dict()) == ["weight", "bias"]
        model.set_submodule(name, nn.Sequential(plain, _Add(bias)))
    assert torch.equal(tiny_models.output(loaded), tiny_models.output(model))
    assert torch.equal(tiny_models.output(torch.compile(loaded, backend="aot_eager")), tiny_models.output(model))
    a8w8.save_checkpoint(loaded, tmp_path / "again")
    assert torch.equal(tiny_models.output(a8w8.load_model(tmp_path / "again")), tiny_models.output(model))


class _Add(nn.Module):
    def __init__(self, bias: Tensor) -> None:
        super().__init__()
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


@pytest.mark.parametrize("quantized", [True, False])
def test_linears_may_have_a_bias_that_their_model_lacks(quantized, tmp_path):
    layer = "model.layers.0.mlp.down_proj"
    model = a8w8.quantize_model(
        tiny_models.build("llama"), "w8a8_dynamic", skip=["lm_head", *([] if quantized else [layer])], progress=False
    )
    a8w8.save_checkpoint(model, tmp_path / "out")
    bias = torch.randn(32)

    def change(tensors, types):
        tensors[f"{layer}.bias"], types[f"{layer}.bias"] = bias, "FLOAT"

    edit(tmp_path / "out", change)
    loaded = a8w8.load_model(tmp_path / "out")
    x = torch.randn(2, 64)
    assert isinstance(loaded.get_submodule(layer), QuantizedLinear) == quantized
    torch.testing.assert_close(loaded.get_submodule(layer)(x), model.get_submodule(layer)(x) + bias)


def test_a_static_layer_needs_no_float_bias(tmp_path):
    """It is inside quant_bias."""
    model = saved("bert", tmp_path / "out", "w8a8")

    def change(tensors, types):
        for name in [name for name in tensors if name.endswith("dense.bias")]:
            del tensors[name], types[name]

    edit(tmp_path / "out", change)
    loaded = a8w8.load_model(tmp_path / "out")
    assert loaded.pooler.dense.bias is None
    assert torch.equal(tiny_models.output(loaded), tiny_models.output(model))
