"""Checkpoints: those of the real tools, our own round trip, and everything that can be wrong with a folder."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import a8w8
import numpy as np
import pytest
import torch
from a8w8.nn import QuantizedLinear
from conftest import REPOSITORY, token_batches
from safetensors.torch import load_file, save_file

STATIC, DYNAMIC = "msmodelslim-v1-static-bf16", "msmodelslim-v0-dyn-bf16"
LAYERS = ("model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj")


@pytest.fixture(scope="module", params=[STATIC, DYNAMIC])
def sample(request, data: Path):
    """A tool's checkpoint: its folder, and what the device's arithmetic makes of it."""
    folder = data / request.param
    with np.load(folder / "expected.npz") as stored:
        return folder, {name: torch.from_numpy(stored[name]) for name in stored.files}


@pytest.mark.parametrize("layer", LAYERS)
def test_sample_layers_are_reproduced_to_the_bit(sample, layer):
    folder, expected = sample
    module = a8w8.load_model(folder).get_submodule(layer)
    x, x_q, acc, y = (expected[f"{layer}/{what}"] for what in ("x", "x_q", "acc", "y"))
    x = x.bfloat16()
    ones = torch.ones(module.out_features)
    if module.scheme == "w8a8":
        assert torch.equal(a8w8.ops.quantize(x, module.input_scale, module.input_offset, torch.qint8, axis=-1), x_q)
        options = {"bias": module.quant_bias}
        scaled = a8w8.ops.quant_matmul(x_q, module.weight.t(), module.deq_scale, **options, output_dtype=torch.bfloat16)
    else:
        found, pertoken_scale = a8w8.ops.dynamic_quant(x)
        assert torch.equal(found, x_q)
        assert torch.equal(pertoken_scale, expected[f"{layer}/pertoken_scale"])
        options = {}
        scaled = a8w8.ops.quant_matmul(
            x_q,
            module.weight.t(),
            module.weight_scale.flatten(),
            pertoken_scale=pertoken_scale,
            bias=module.bias,
            output_dtype=torch.bfloat16,
        )
    sums = a8w8.ops.quant_matmul(x_q, module.weight.t(), ones, **options, output_dtype=torch.int32)
    assert torch.equal(sums, acc)
    assert torch.equal(scaled.float(), y)
    assert torch.equal(module(x).float(), y)


@torch.no_grad()
def test_sample_logits(sample):
    folder, expected = sample
    model = a8w8.load_model(folder, dtype=torch.float32)
    logits = model(expected["input_ids"]).logits[0]
    torch.testing.assert_close(logits, expected["logits_int_exact_f32math"], rtol=0, atol=1e-4)

    model = a8w8.load_model(folder)
    assert model.dtype == torch.bfloat16 and not model.training
    error = (model(expected["input_ids"]).logits[0].float() - expected["logits_int_exact"]).abs()
    # Between the linears bfloat16 is PyTorch's, whose roundings differ from CPU to CPU and grow from layer to layer.
    assert error.max() < 0.2 and error.mean() < 0.03


def test_sample_tensors_are_used_where_they_lie(sample):
    model = a8w8.load_model(sample[0])
    layers = [module for module in model.modules() if isinstance(module, QuantizedLinear)]
    assert len(layers) == 14
    assert not any(parameter.requires_grad for parameter in model.parameters())
    stored = {tensor.data_ptr() for layer in layers for tensor in layer.buffers()}
    assert len({address >> 21 for address in stored}) <= 2  # all in one mapping of half a megabyte
    assert not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))


@pytest.mark.parametrize("scheme", ["w8a8_dynamic", "w8a8"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_round_trip_gives_the_same_model(bert, tmp_path, scheme, dtype):
    batches = token_batches()
    bert = bert.to(dtype)
    model = a8w8.quantize_model(bert, scheme, batches if scheme == "w8a8" else None, progress=False)
    a8w8.save_checkpoint(model, tmp_path / "out", max_part_bytes=20_000)
    assert len(list((tmp_path / "out").glob("*.safetensors"))) > 1

    loaded = a8w8.load_model(tmp_path / "out")
    assert type(loaded) is type(bert) and loaded.dtype == dtype
    state, expected = loaded.state_dict(), model.state_dict()
    assert list(state) == list(expected)
    for name, tensor in expected.items():
        assert state[name].dtype == tensor.dtype and torch.equal(state[name], tensor), name
    with torch.no_grad():
        assert torch.equal(loaded(**batches[0]).last_hidden_state, model(**batches[0]).last_hidden_state)


def test_description_names_the_type_of_each_tensor(bert, tmp_path):
    model = a8w8.quantize_model(bert, "w8a8_dynamic", skip=["pooler.dense"], progress=False)
    a8w8.save_checkpoint(model, str(tmp_path / "out"))
    description = json.loads((tmp_path / "out" / "quant_model_description.json").read_text())
    layer = "encoder.layer.0.output.dense"
    assert description["model_quant_type"] == "W8A8_DYNAMIC"
    assert [description[f"{layer}.{kind}"] for kind in ("weight", "weight_scale", "bias")] == [
        "W8A8_DYNAMIC", "W8A8_DYNAMIC", "FLOAT",
    ]  # fmt: skip
    assert description["pooler.dense.weight"] == "FLOAT"
    assert set(model.state_dict()) <= set(description)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == ["BertModel"] and config["dtype"] == "float32"


def test_tied_weights_are_stored_once_and_tied_again(tmp_path):
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, tie_word_embeddings=True,
    )  # fmt: skip
    model = a8w8.quantize_model(Qwen2ForCausalLM(config).eval(), "w8a8_dynamic", progress=False)
    a8w8.save_checkpoint(model, tmp_path / "out")
    _, names, _ = torch.ops.a8w8.read_checkpoint(str(tmp_path / "out"))
    assert "lm_head.weight" not in names
    loaded = a8w8.load_model(tmp_path / "out")
    assert loaded.lm_head.weight is loaded.model.embed_tokens.weight
    ids = torch.arange(10)[None]
    with torch.no_grad():
        assert torch.equal(loaded(ids).logits, model(ids).logits)  # needs the rotary frequencies, which no file has


@pytest.mark.parametrize("scheme", ["w8a8_dynamic", "w8a8"])
def test_older_files_are_understood(bert, tmp_path, scheme):
    """Scales without second dimension or without any, no weight_offset, weight_scale beside deq_scale."""
    batches = token_batches()
    model = a8w8.quantize_model(bert, scheme, batches if scheme == "w8a8" else None, progress=False)
    a8w8.save_checkpoint(model, tmp_path / "new")
    summary, names, tensors = torch.ops.a8w8.read_checkpoint(str(tmp_path / "new"))
    types = {layer["name"]: layer["quant_type"] for layer in json.loads(summary)["layers"]}
    older = {}
    for name, tensor in zip(names, tensors, strict=True):
        layer, _, kind = name.rpartition(".")
        quant_type = types.get(layer, "FLOAT")
        if kind == "deq_scale":
            older[f"{layer}.weight_scale"] = (quant_type, tensor[:, None].bfloat16())
        if kind in ("weight_scale", "input_scale", "input_offset"):
            tensor = tensor.flatten() if tensor.numel() > 1 else tensor.reshape(())
        if kind != "weight_offset":
            older[name] = (quant_type, tensor)
    types, tensors = zip(*older.values(), strict=True)
    config = (tmp_path / "new" / "config.json").read_text()
    torch.ops.a8w8.write_checkpoint(
        str(tmp_path / "old"), list(older), list(types), list(tensors), ["config.json"], [config], 1 << 30
    )
    loaded = a8w8.load_model(tmp_path / "old")
    with torch.no_grad():
        assert torch.equal(loaded(**batches[0]).pooler_output, model(**batches[0]).pooler_output)


def test_safetensors_both_ways(tmp_path):
    """The PyPI package reads what we write, and we read what it writes."""
    tensors = {
        "a.weight": torch.randint(-128, 128, (3, 5), dtype=torch.int8),
        "a.weight_scale": torch.rand(3, 1),
        "a.weight_offset": torch.zeros(3, 1),
        "half": torch.randn(2, 3, 4).half(),
        "brain": torch.randn(7).bfloat16(),
        "long": torch.tensor([-(2**63), 2**63 - 1]),
        "int": torch.arange(6, dtype=torch.int32).reshape(2, 3).t(),  # strides
        "scalar": torch.tensor(1.5),
        "empty": torch.empty(0, 4),
        "bool": torch.tensor([True, False]),
    }
    types = ["W8A8_DYNAMIC" if name.startswith("a.") else "FLOAT" for name in tensors]
    torch.ops.a8w8.write_checkpoint(
        str(tmp_path / "out"), list(tensors), types, list(tensors.values()), [], [], 1 << 30
    )
    (file,) = (tmp_path / "out").glob("*.safetensors")
    _same(load_file(file), tensors)

    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, tmp_path / "theirs.safetensors")
    names, ours = torch.ops.a8w8.read_safetensors(str(tmp_path / "theirs.safetensors"))
    _same(dict(zip(names, ours, strict=True)), tensors)


def _same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor), name


@pytest.fixture
def checkpoint(data: Path, tmp_path: Path) -> Path:
    """A good dynamic checkpoint to spoil."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for file in (data / DYNAMIC).iterdir():
        shutil.copyfile(file, folder / file.name)
    return folder


def _edit(checkpoint: Path, tensors: dict[str, torch.Tensor | None], quant_type: str | None = "FLOAT") -> None:
    """Puts tensors in, or takes them out where None."""
    (file,) = checkpoint.glob("*.safetensors")
    description_file = checkpoint / "quant_model_description.json"
    description = json.loads(description_file.read_text())
    state = {name: tensor.clone() for name, tensor in load_file(file).items()}
    for name, tensor in tensors.items():
        if tensor is None:
            state.pop(name)
            description.pop(name)
        else:
            state[name] = tensor
            description[name] = quant_type or description[name]
    save_file(state, file)
    description_file.write_text(json.dumps(description))


Q_PROJ = "model.layers.0.self_attn.q_proj"


@pytest.mark.parametrize(
    ("tensors", "quant_type", "message"),
    [
        ({"model.norm.weight": None}, None, r"1 missing: model\.norm\.weight"),
        ({f"{Q_PROJ}.bias": None}, None, rf"1 missing: {Q_PROJ}\.bias"),
        ({"model.rotation": torch.ones(2)}, "FLOAT", r"1 unexpected: model\.rotation"),
        ({"model.norm.weight": torch.ones(7)}, None, r"model\.norm\.weight is of shape \(7,\), allowed: \(128,\)"),
        ({"model.norm.weight": torch.ones(1, 128)}, None, r"model\.norm\.weight is of shape \(1, 128\)"),
        ({f"{Q_PROJ}.weight_scale": None}, None, rf"{Q_PROJ}\.weight_scale.* is missing"),
        (
            {f"{Q_PROJ}.weight_scale": torch.full((128, 1), -1.0)},
            None,
            r"weight_scale.*; must be finite and not negative",
        ),
        ({f"{Q_PROJ}.weight_offset": torch.ones(128, 1)}, None, r"weight_offset.*; must be 0"),
        (
            {"lm_head.weight": torch.ones(320, 128, dtype=torch.int8)},
            "W4A4_DYNAMIC",
            r"lm_head\.weight. is of type W4A4_DYNAMIC: int4 weights for int4 activations",
        ),
        (
            {
                "model.norm.weight": torch.ones(128, 4, dtype=torch.int8),
                "model.norm.weight_scale": torch.ones(128, 1),
            },
            "W8A8_DYNAMIC",
            r"model\.norm is W8A8_DYNAMIC in the checkpoint, but a Qwen2RMSNorm in the model",
        ),
        (
            {"extra.weight": torch.ones(8, 4, dtype=torch.int8), "extra.weight_scale": torch.ones(8, 1)},
            "W8A8_DYNAMIC",
            r"extra is W8A8_DYNAMIC in the checkpoint, but Qwen2ForCausalLM has no such layer",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(checkpoint, tensors, quant_type, message):
    _edit(checkpoint, tensors, quant_type)
    with pytest.raises((ValueError, RuntimeError), match=message):
        a8w8.load_model(checkpoint)


def test_missing_and_damaged_files_are_named(checkpoint, tmp_path):
    with pytest.raises(FileNotFoundError, match="absent does not exist"):
        a8w8.load_model(tmp_path / "absent")
    (file,) = checkpoint.glob("*.safetensors")
    whole = file.read_bytes()
    for damaged in (whole[:-1], whole[:4], b"\xff" * 8 + whole[8:], b""):
        file.write_bytes(damaged)
        with pytest.raises(RuntimeError, match=file.name):
            a8w8.load_model(checkpoint)
    file.unlink()
    with pytest.raises(RuntimeError, match="safetensors"):
        a8w8.load_model(checkpoint)
    (checkpoint / "quant_model_description.json").write_text("{")
    with pytest.raises(RuntimeError, match=r"quant_model_description\.json"):
        a8w8.load_model(checkpoint)
    (checkpoint / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"config\.json does not exist"):
        a8w8.load_model(checkpoint)


@pytest.mark.parametrize("architectures", [None, [], ["NoSuchModel"], ["Qwen2Model", "Qwen2ForCausalLM"]])
def test_config_must_name_one_known_class(checkpoint, architectures):
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps(config | {"architectures": architectures}))
    with pytest.raises(ValueError, match=r'config\.json: "architectures" is .*, allowed: one class of transformers'):
        a8w8.load_model(checkpoint)


def test_arguments_are_checked_first(bert, tmp_path):
    with pytest.raises(ValueError, match=r"parity is 'vllm', allowed: 'exact'"):
        a8w8.load_model(tmp_path, parity="vllm")
    with pytest.raises(ValueError, match=r"dtype is torch.int8, allowed: torch.float32, .*'auto'"):
        a8w8.load_model(tmp_path, dtype=torch.int8)
    model = a8w8.quantize_model(bert, "w8a8_dynamic", progress=False)
    with pytest.raises(ValueError, match=r"format is 'gguf', allowed: 'msmodelslim'"):
        a8w8.save_checkpoint(model, tmp_path / "out", format="gguf")
    with pytest.raises(ValueError, match=r"holds no QuantizedLinear; call a8w8.quantize_model first"):
        a8w8.save_checkpoint(bert, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_saving_over_a_checkpoint_replaces_it_and_spares_other_folders(bert, tmp_path):
    model = a8w8.quantize_model(bert, "w8a8_dynamic", progress=False)
    a8w8.save_checkpoint(model, tmp_path / "out")
    a8w8.save_checkpoint(a8w8.quantize_model(bert, "w8a8", token_batches(), progress=False), tmp_path / "out")
    assert a8w8.load_model(tmp_path / "out").pooler.dense.scheme == "w8a8"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(RuntimeError, match="mine"):
        a8w8.save_checkpoint(model, tmp_path / "mine")
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["notes.txt"]


# Writes a model of a megabyte where files may have 100 kB: what a full disk looks like to a program.
FULL_DISK = """
import resource, signal, sys
import a8w8
from torch import nn
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
model = a8w8.quantize_model(nn.Sequential(nn.Linear(1024, 1024)), "w8a8_dynamic", progress=False)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    a8w8.save_checkpoint(model, sys.argv[1])
except RuntimeError as error:
    print(error)
"""


@pytest.mark.parametrize("replace", [False, True])
def test_full_disk_leaves_what_was_there(bert, tmp_path, replace):
    target = tmp_path / "disk" / "out"
    target.parent.mkdir()
    if replace:
        a8w8.save_checkpoint(a8w8.quantize_model(bert, "w8a8_dynamic", progress=False), target)
    before = {file: file.read_bytes() for file in target.rglob("*")}
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(target)],
        capture_output=True, text=True, check=True, cwd=REPOSITORY / "python",
    )  # fmt: skip
    assert "out" in result.stdout and "File too large" in result.stdout
    assert {file: file.read_bytes() for file in target.rglob("*")} == before
    assert list(target.parent.iterdir()) == ([target] if replace else [])
