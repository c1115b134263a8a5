"""save_checkpoint in both formats: a layer keeps its numbers, whichever format it was made for."""

import json
from pathlib import Path

import a8w8
import pytest
import torch
from a8w8._layer_formats import compressed_tensors, msmodelslim_tensors
from a8w8.nn import QuantizedLinear
from conftest import token_batches
from safetensors.torch import load_file
from torch import nn

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def layer_for(format: str, scheme: str, dtype: torch.dtype, bias: bool = True, symmetric: bool = False):
    linear = nn.Linear(32, 16, bias=bias, dtype=dtype)
    input_range = (-1.5, 3.0) if scheme == "w8a8" else None
    return QuantizedLinear.from_float(linear, scheme, input_range, format=format, symmetric=symmetric)


def from_compressed(tensors: dict[str, torch.Tensor], scheme: str) -> QuantizedLinear:
    """As a reader of that format builds it: two factors, a zero point, a float bias."""
    n, k = tensors["weight"].shape
    is_static = scheme == "w8a8"
    layer = QuantizedLinear(k, n, scheme, bias="bias" in tensors, **({"adds_bias": True} if is_static else {}))
    layer.weight, layer.bias = tensors["weight"], tensors.get("bias")
    if not is_static:
        layer.weight_scale = tensors["weight_scale"]
        return layer
    layer.input_scale = tensors["input_scale"]
    zero_point = tensors.get("input_zero_point", torch.zeros(1, dtype=torch.int8))
    layer.input_offset = zero_point.float()
    layer.deq_scale = tensors["input_scale"].float() * tensors["weight_scale"].float().flatten()
    layer.quant_bias = -zero_point.int() * tensors["weight"].sum(dim=1, dtype=torch.int32)
    return layer


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_layers_made_for_compressed_tensors_come_back_to_the_bit(dtype, symmetric, bias):
    layer = layer_for("compressed-tensors", "w8a8", dtype, bias, symmetric)
    tensors = compressed_tensors(layer, dtype)
    assert tensors["weight_scale"].shape == (16, 1) and tensors["weight_scale"].dtype == dtype
    assert tensors["input_scale"].shape == (1,) and tensors["input_scale"].dtype == dtype
    assert ("bias" in tensors, "input_zero_point" in tensors) == (bias, not symmetric)
    again, x = from_compressed(tensors, "w8a8"), torch.randn(5, 32, dtype=dtype)
    assert torch.equal(again.deq_scale, layer.deq_scale)
    assert torch.equal(again(x), layer(x))


@pytest.mark.parametrize("format", ["msmodelslim", "compressed-tensors"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_dynamic_layers_are_the_same_in_both_formats(dtype, format):
    layer, x = layer_for(format, "w8a8_dynamic", dtype), torch.randn(5, 32, dtype=dtype)
    tensors = compressed_tensors(layer, dtype)
    assert set(tensors) == {"weight", "weight_scale", "bias"}
    assert tensors["weight_scale"].dtype == tensors["bias"].dtype == dtype
    assert torch.equal(from_compressed(tensors, "w8a8_dynamic")(x), layer(x))
    stored = msmodelslim_tensors(layer, dtype)
    assert set(stored) == {"weight", "weight_scale", "weight_offset", "bias"}
    assert stored["weight_scale"].dtype == torch.float32


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_static_layers_of_msmodelslim_become_the_same_layer_of_compressed_tensors(dtype, symmetric, bias):
    layer, x = layer_for("msmodelslim", "w8a8", dtype, bias, symmetric), torch.randn(50, 32, dtype=dtype)
    tensors = compressed_tensors(layer, dtype)
    assert ("bias" in tensors, "input_zero_point" in tensors) == (bias, not symmetric)
    again = from_compressed(tensors, "w8a8")
    deq_scale = (
        torch.tensor([layer.deq_scale.tolist()]).int().view(torch.float32)[0] if dtype == torch.float16 else None
    )
    torch.testing.assert_close(
        again.deq_scale, layer.deq_scale if deq_scale is None else deq_scale, rtol=2**-23, atol=0
    )
    # A last bit of float32 in the scale, and one more rounding where the bias is added.
    error, eps = (again(x).float() - layer(x).float()).abs(), torch.finfo(dtype).eps
    assert (error <= 2 * eps * layer(x).float().abs() + 2**-21).all()


def test_what_quant_bias_holds_becomes_the_bias_of_a_layer_without():
    layer = layer_for("msmodelslim", "w8a8", torch.bfloat16, bias=False)
    layer.quant_bias += torch.arange(16, dtype=torch.int32)
    bias = compressed_tensors(layer, torch.bfloat16)["bias"]
    assert torch.equal(bias, torch.arange(16.0) * layer.deq_scale)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_float_bias_goes_into_quant_bias_rounded_to_a_step(dtype, symmetric):
    layer, x = layer_for("compressed-tensors", "w8a8", dtype, symmetric=symmetric), torch.randn(50, 32, dtype=dtype)
    stored = msmodelslim_tensors(layer, dtype)
    steps = layer.bias.double() / layer.deq_scale.double()
    zero_point = 0 if symmetric else layer.quant_bias
    assert torch.equal(stored["quant_bias"], torch.round(steps).int() + zero_point)
    assert stored["deq_scale"].dtype == (torch.int64 if dtype == torch.float16 else torch.float32)
    again = QuantizedLinear(32, 16, "w8a8")
    for name, tensor in stored.items():
        setattr(again, name, tensor)
    error = (again(x).float() - layer(x).float()).abs()
    assert (error <= 0.5 * layer.deq_scale * 1.01 + torch.finfo(dtype).eps * layer(x).float().abs()).all()


def test_a_bias_that_does_not_fit_is_refused_by_name(tmp_path):
    model = nn.Sequential(nn.Linear(4, 4))
    model[0].weight.data *= 1e-6
    model[0].bias.data[:] = 1e6
    model = a8w8.quantize_model(model, "w8a8", [torch.ones(1, 4)], format="compressed-tensors", progress=False)
    with pytest.raises(ValueError, match=r"^0: the bias does not fit into quant_bias"):
        a8w8.save_checkpoint(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


FILES = {
    "tokenizer.json": b"{}", "vocab.txt": b"a\nb\n", "tokenizer.model": bytes(range(256)),
    "chat_template.jinja": b"{{ x }}",
    "LICENSE": b"free", "config.json": b"not ours", "model.safetensors.index.json": b"{}", ".hidden.json": b"{}",
    "model.safetensors": b"weights", "quant_model_description.json": b"{}", "image.png": b"png",
}  # fmt: skip


def test_small_files_of_the_source_are_copied_byte_by_byte(bert, tmp_path):
    source = tmp_path / "float"
    source.mkdir()
    for name, content in FILES.items():
        (source / name).write_bytes(content)
    model = a8w8.quantize_model(bert, "w8a8_dynamic", progress=False)
    a8w8.save_checkpoint(model, tmp_path / "out", source=source)
    copied = ("tokenizer.json", "vocab.txt", "tokenizer.model", "chat_template.jinja", "LICENSE")
    assert all((tmp_path / "out" / name).read_bytes() == FILES[name] for name in copied)
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        *copied, "config.json", "quant_model_description.json", "quant_model_weights-00001-of-00001.safetensors",
        "quant_model_weights.safetensors.index.json",
    }  # fmt: skip
    assert json.loads((tmp_path / "out" / "config.json").read_text())["architectures"] == ["BertModel"]
    with pytest.raises(FileNotFoundError, match="absent is no folder"):
        a8w8.save_checkpoint(model, tmp_path / "out", source=tmp_path / "absent")


@pytest.mark.parametrize("scheme", ["w8a8_dynamic", "w8a8"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_compressed_tensors_folder_gives_the_same_model(bert, tmp_path, scheme, dtype):
    batches, bert = token_batches(), bert.to(dtype)
    calibration = batches if scheme == "w8a8" else None
    model = a8w8.quantize_model(
        bert, scheme, calibration, ["pooler.dense"], progress=False, format="compressed-tensors"
    )
    a8w8.save_checkpoint(model, tmp_path / "out", format="compressed-tensors")
    config = json.loads((tmp_path / "out" / "config.json").read_text())["quantization_config"]
    assert config["quant_method"] == "compressed-tensors" and config["ignore"] == ["pooler.dense"]
    (group,) = config["config_groups"].values()
    assert group["input_activations"]["dynamic"] == (scheme == "w8a8_dynamic")
    stored = load_file(tmp_path / "out" / "model.safetensors")
    assert {name for name in stored if name.startswith("encoder.layer.0.output.dense")} == {
        f"encoder.layer.0.output.dense.{role}"
        for role in ("weight", "weight_scale", "bias", *(["input_scale"] if scheme == "w8a8" else []))
    }
    assert stored["encoder.layer.0.output.dense.weight_scale"].dtype == dtype
    loaded = a8w8.load_model(tmp_path / "out")
    with torch.no_grad():
        assert torch.equal(loaded(**batches[0]).last_hidden_state, model(**batches[0]).last_hidden_state)


@pytest.mark.parametrize("scheme", ["w8a8_dynamic", "w8a8"])
def test_there_and_back_again(bert, tmp_path, scheme):
    batches = token_batches()
    model = a8w8.quantize_model(bert, scheme, batches if scheme == "w8a8" else None, progress=False)
    a8w8.save_checkpoint(model, tmp_path / "theirs", format="compressed-tensors")
    a8w8.save_checkpoint(a8w8.load_model(tmp_path / "theirs"), tmp_path / "ours")
    again = a8w8.load_model(tmp_path / "ours")
    for name, tensor in model.state_dict().items():
        if not name.endswith(".bias"):  # of static layers it was made anew from quant_bias
            torch.testing.assert_close(again.state_dict()[name].to(tensor.dtype), tensor, rtol=2**-22, atol=0)


def test_a_model_without_config_gets_one_for_its_scheme(tmp_path):
    model = a8w8.quantize_model(nn.Sequential(nn.Linear(8, 8)), "w8a8_dynamic", progress=False)
    a8w8.save_checkpoint(model, tmp_path / "out", format="compressed-tensors")
    assert list(json.loads(Path(tmp_path / "out" / "config.json").read_text())) == ["quantization_config"]


def stored_in(folder: Path) -> dict[str, torch.Tensor]:
    (file,) = folder.glob("*.safetensors")
    return load_file(file)


def test_the_tools_checkpoint_comes_out_of_the_float_model(data, tmp_path):
    """Every tensor to the bit, and the very config.json."""
    from transformers import AutoModelForCausalLM

    sample = data / "compressed-tensors-dyn-bf16"
    model = AutoModelForCausalLM.from_pretrained(data / "float-bf16", dtype="auto")
    for format, theirs in (("compressed-tensors", sample), ("msmodelslim", data / "msmodelslim-v0-dyn-bf16")):
        ours = a8w8.quantize_model(model, "w8a8_dynamic", skip=["lm_head"], format=format, progress=False)
        a8w8.save_checkpoint(ours, tmp_path / format, format=format)
        expected, found = stored_in(theirs), stored_in(tmp_path / format)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name].float(), tensor.float()) for name, tensor in expected.items())
        if theirs is sample:
            assert all(found[name].dtype == tensor.dtype for name, tensor in expected.items())
            configs = [json.loads((folder / "config.json").read_text()) for folder in (tmp_path / format, theirs)]
            assert configs[0] == configs[1]


@torch.no_grad()
def test_the_tools_static_checkpoint_is_saved_as_it_is_and_in_the_other_format(data, tmp_path):
    sample = data / "msmodelslim-v1-static-bf16"
    model = a8w8.load_model(sample, dtype=torch.float32)
    a8w8.save_checkpoint(a8w8.load_model(sample), tmp_path / "ours")
    expected, found = stored_in(sample), stored_in(tmp_path / "ours")
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor), name

    a8w8.save_checkpoint(a8w8.load_model(sample), tmp_path / "theirs", format="compressed-tensors")
    other, ids = a8w8.load_model(tmp_path / "theirs", dtype=torch.float32), torch.arange(24)[None]
    torch.testing.assert_close(other(ids).logits, model(ids).logits, rtol=0, atol=1e-5)
