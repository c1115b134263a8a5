"""The verb `quantize` where it runs the model."""

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
from a8w8_cli.quantize import main
from safetensors.torch import save_file

TEXTS = ["The quick brown fox.", "", "Pack my box with five dozen liquor jugs.", "Jump over the dogs.!"]


@pytest.fixture
def float_dir(data: Path) -> Path:
    return data / "float-bf16"


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(TEXTS))
    return file


def quantize(capsys, *arguments: object) -> tuple[int, str, str]:
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as stop:  # argparse
        status = stop.code
    return status, *capsys.readouterr()


def layers_of(folder: Path) -> dict[str, QuantizedLinear]:
    model = a8w8.load_model(folder)
    return {name: module for name, module in model.named_modules() if isinstance(module, QuantizedLinear)}


def test_static_checkpoint_from_texts(capsys, float_dir, texts, tmp_path):
    out = tmp_path / "out"
    status, shown, progress = quantize(capsys, float_dir, "-o", out, "--scheme", "w8a8", "--calibration", texts)
    assert status == 0, progress
    assert "quantized      14 linear layers to w8a8, format msmodelslim" in shown
    assert "calibrated     on 3 texts, " in shown and "minmax, asymmetric" in shown
    assert "stays float    lm_head (output head)" in shown
    assert "Calibrating" in progress and "tokens/s" in progress
    assert {"tokenizer.json", "generation_config.json", "chat_template.jinja", "config.json"} <= {
        file.name for file in out.iterdir()
    }
    layers = layers_of(out)
    assert len(layers) == 14 and all(layer.scheme == "w8a8" for layer in layers.values())

    # The same by hand.
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(float_dir, dtype="auto")
    tokenizer = AutoTokenizer.from_pretrained(float_dir)
    batches = [tokenizer(text, return_tensors="pt")["input_ids"] for text in TEXTS if text]
    expected = a8w8.quantize_model(model, "w8a8", batches, ["lm_head"], progress=False)
    for name, layer in layers.items():
        for role, tensor in expected.get_submodule(name).state_dict().items():
            assert torch.equal(layer.state_dict()[role], tensor), (name, role)


def test_all_options_and_json(capsys, float_dir, tmp_path):
    file, out = tmp_path / "texts.jsonl", tmp_path / "out"
    file.write_text("\n".join(json.dumps({"text": text}) for text in TEXTS if text))
    status, shown, progress = quantize(
        capsys, float_dir, "-o", out, "--scheme", "w8a8", "--calibration", file, "--method", "percentile",
        "--percentile", 99, "--symmetric", "--smooth", 0.5, "--skip", "*.o_proj", "model.layers.1.*", "--batch-size", 2,
        "--max-length", 20, "--samples", 2, "--json",
    )  # fmt: skip
    assert status == 0, progress
    result = json.loads(shown)
    assert result["quantized"] == [
        *(f"model.layers.0.self_attn.{kind}_proj" for kind in "qkv"),
        *(f"model.layers.0.mlp.{kind}_proj" for kind in ("gate", "up", "down")),
    ]
    assert {"name": "model.layers.0.self_attn.o_proj", "reason": "--skip *.o_proj"} in result["kept"]
    calibration = result["calibration"]
    assert (calibration["texts"], calibration["method"], calibration["symmetric"]) == (2, "percentile", True)
    assert calibration["batches"] == 1 and calibration["tokens"] == 40  # both cut to the same length
    assert len(result["smoothing"]["smoothed"]) == 3 and not result["smoothing"]["left"]
    layers = layers_of(out)
    assert list(layers) == result["quantized"]
    assert all(layer.input_offset.item() == 0 for layer in layers.values())


def test_smoothing_of_dynamic_layers_from_token_ids(capsys, float_dir, tmp_path):
    folder = tmp_path / "float"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):  # no tokenizer
        shutil.copyfile(float_dir / name, folder / name)
    ids = torch.randint(0, 256, (3, 8))
    save_file({"input_ids": ids}, tmp_path / "ids.safetensors")
    torch.save({"input_ids": ids, "attention_mask": torch.ones_like(ids)}, tmp_path / "ids.pt")
    np.savez(tmp_path / "ids.npz", input_ids=ids.numpy())
    results = []
    for suffix in ("safetensors", "pt", "npz"):
        status, shown, problems = quantize(
            capsys, folder, "-o", tmp_path / suffix, "--scheme", "w8a8_dynamic", "--smooth", 0.6,
            "--calibration", tmp_path / f"ids.{suffix}",
        )  # fmt: skip
        assert status == 0, problems
        assert (
            "smoothed       12 layers with alpha 0.6" in shown
            and "not smoothed   model.layers.*.self_attn.o_p" in shown
        )
        results.append({file.name: file.read_bytes() for file in (tmp_path / suffix).iterdir()})
    assert results[0] == results[1] == results[2]
    status, _, problems = quantize(
        capsys, folder, "-o", tmp_path / "out", "--scheme", "w8a8", "--calibration", float_dir / "config.json"
    )
    assert status == 1 and "holds no tokenizer that could read" in problems and "input_ids in .safetensors" in problems


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scheme", "w4a4"], "argument --scheme: invalid choice: 'w4a4'"),
        ([], "the following arguments are required: --scheme"),
        (["--scheme", "w8a8"], "--calibration FILE is missing: --scheme w8a8 runs the model"),
        (["--scheme", "w8a8_dynamic", "--smooth", "0.5"], "--calibration FILE is missing: --smooth runs the model"),
        (["--scheme", "w8a8_dynamic", "--calibration", "TEXTS"], "--calibration is for --scheme w8a8 and for --smooth"),
        (["--scheme", "w8a8", "--calibration", "TEXTS", "--smooth", "2"], "--smooth is 2, allowed: 0 to 1"),
        (["--scheme", "w8a8", "--calibration", "TEXTS", "--percentile", "99"], "--percentile is for --method percen"),
        (
            ["--scheme", "w8a8", "--calibration", "TEXTS", "--method", "percentile", "--percentile", "101"],
            "percentile is 101.0, allowed: above 50, at most 100",
        ),
        (["--scheme", "w8a8", "--calibration", "TEXTS", "--batch-size", "0"], "--batch-size is 0, allowed: at least 1"),
        (["--scheme", "w8a8", "--calibration", "TEXTS", "--skip", "lm_haed"], "--skip holds 'lm_haed', which matches"),
        (["--scheme", "w8a8", "--calibration", "TEXTS", "--skip", "*"], "nothing is left to quantize: 15 linear"),
        (
            ["--scheme", "w8a8_dynamic", "--smooth", "0.5", "--calibration", "TEXTS", "--method", "minmax"],
            "are for --scheme w8a8; dynamic layers have no range",
        ),
    ],
)
def test_wrong_usage_is_told(capsys, float_dir, texts, tmp_path, arguments, message):
    arguments = [texts if argument == "TEXTS" else argument for argument in arguments]
    status, shown, problems = quantize(capsys, float_dir, "-o", tmp_path / "out", *arguments)
    assert (status, shown) == (2, "") and message in problems
    assert not (tmp_path / "out").exists()


def write(file: Path, content: str | bytes) -> Path:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.txt", None, "absent.txt does not exist or is no file"),
        ("empty.txt", "", "empty.txt is empty; texts like those the model will see are needed"),
        ("blank.txt", "\n  \n", "blank.txt holds no text"),
        ("binary.txt", b"\xff\xfe\x00", "binary.txt is no text in UTF-8"),
        ("bad.jsonl", '{"text": "a"}\n{"text"', "bad.jsonl, line 2: no JSON"),
        ("other.jsonl", '{"prompt": "a"}', 'other.jsonl, line 1: holds no "text"'),
        ("ids.npz", b"PK", "ids.npz cannot be read"),
        ("ids.pt", b"junk", "ids.pt cannot be read"),
        ("ids.safetensors", b"junkjunkjunk", "ids.safetensors cannot be read"),
    ],
)
def test_bad_calibration_files_are_named(capsys, float_dir, tmp_path, name, content, message):
    file = tmp_path / name if content is None else write(tmp_path / name, content)
    out = tmp_path / "out"
    status, shown, problems = quantize(capsys, float_dir, "-o", out, "--scheme", "w8a8", "--calibration", file)
    assert (status, shown) == (1, "") and message in problems
    assert not out.exists()


def test_token_ids_must_be_those_of_the_model(capsys, float_dir, tmp_path):
    for content, message in (
        ({"input_ids": torch.tensor([[5, 320]])}, "tokens reach from 5 to 320, but the model has 320"),
        ({"input_ids": torch.rand(2, 2)}, "input_ids is torch.float32 of shape (2, 2), allowed: integers"),
        ({"ids": torch.ones(2, dtype=torch.int64)}, "input_ids is absent"),
        (
            {"input_ids": torch.ones(1, 2).int(), "attention_mask": torch.ones(1, 3)},
            "attention_mask is (1, 3), allowed",
        ),
    ):
        save_file(content, tmp_path / "ids.safetensors")
        status, _, problems = quantize(
            capsys, float_dir, "-o", tmp_path / "out", "--scheme", "w8a8", "--calibration", tmp_path / "ids.safetensors"
        )
        assert status == 1 and message in problems


def test_folders_that_are_something_else_are_left_alone(capsys, float_dir, texts, tmp_path, data):
    options = ("--scheme", "w8a8", "--calibration", texts)
    mine = tmp_path / "mine"
    mine.mkdir()
    write(mine / "notes.txt", "keep")
    for out, message in ((mine, "is not a quantized checkpoint; it is not overwritten"), (texts, "is not a folder")):
        status, _, problems = quantize(capsys, float_dir, "-o", out, *options)
        assert status == 1 and message in problems
    assert [file.name for file in mine.iterdir()] == ["notes.txt"]
    for folder, message in (
        (mine, "config.json does not exist"),
        (data / "msmodelslim-v1-static-bf16", "is quantized already"),
    ):
        status, _, problems = quantize(capsys, folder, "-o", tmp_path / "out", *options)
        assert status == 1 and message in problems


def test_models_that_are_incomplete_or_unknown_are_refused(capsys, float_dir, texts, tmp_path):
    folder = tmp_path / "float"
    shutil.copytree(float_dir, folder)
    config = json.loads((folder / "config.json").read_text())
    for change, message in (
        (
            {"architectures": ["NoSuchModel"]},
            "\"architectures\" is ['NoSuchModel'], allowed: one class of transformers",
        ),
        ({"quantization_config": {"quant_method": "compressed-tensors"}}, "is quantized already"),
        ({"num_hidden_layers": 3, "layer_types": ["full_attention"] * 3}, "needs 12 tensors that the files lack"),
        ({"hidden_size": 64}, "float cannot be loaded: RuntimeError: "),
        ({"model_type": "no-such"}, "float cannot be loaded: ValueError: "),
        ({"auto_map": {"AutoConfig": "evil.Config"}, "model_type": "no-such"}, "float cannot be loaded: ValueError: "),
    ):
        write(folder / "config.json", json.dumps(config | change))
        status, _, problems = quantize(
            capsys, folder, "-o", tmp_path / "out", "--scheme", "w8a8", "--calibration", texts
        )
        assert status == 1 and message in problems
    write(folder / "config.json", json.dumps(config))
    for content in (b"junk", (float_dir / "model.safetensors").read_bytes()[:-1000]):
        write(folder / "model.safetensors", content)
        status, _, problems = quantize(
            capsys, folder, "-o", tmp_path / "out", "--scheme", "w8a8", "--calibration", texts
        )
        assert status == 1 and "float cannot be loaded: SafetensorError: " in problems
    assert not (tmp_path / "out").exists()


def test_bert_cannot_be_smoothed_and_says_why(capsys, bert, tmp_path):
    bert.save_pretrained(tmp_path / "bert")
    save_file({"input_ids": torch.arange(8)}, tmp_path / "ids.safetensors")
    status, _, problems = quantize(
        capsys, tmp_path / "bert", "-o", tmp_path / "out", "--scheme", "w8a8", "--smooth", "0.5",
        "--calibration", tmp_path / "ids.safetensors",
    )  # fmt: skip
    assert (
        status == 1
        and "BertModel holds nothing that can be smoothed" in problems
        and "LayerNorm is also read" in problems
    )


def test_parsing_needs_no_pytorch():
    code = (
        "import sys, a8w8_cli.quantize as verb\n"
        "status = verb.main(['x', '-o', 'y', '--scheme', 'w8a8'])\n"
        "print(status, 'torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2] / "python"
    )
    assert result.stdout.split() == ["2", "False"], result.stderr
