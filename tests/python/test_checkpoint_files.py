"""Folders made of folders: against PyTorch, against the tools' samples, and what load_model makes of the result."""

import json
import threading
import time
from pathlib import Path

import a8w8
import pytest
import torch
from safetensors.torch import load_file, save_file


def quantized(weight: torch.Tensor, divisor: float, least: int, empty: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The tools' formula in the dtype of the weight."""
    scale = weight.abs().amax(1, keepdim=True) / divisor
    scale = torch.where(scale == 0, empty, scale)
    return torch.round(weight / scale).clamp(least, 127).to(torch.int8), scale


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("format", ["msmodelslim", "compressed-tensors"])
def test_numbers_are_those_of_pytorch(tmp_path: Path, dtype: torch.dtype, format: str):
    torch.manual_seed(3)
    exponents = torch.linspace(-14, 4, 60).exp2()[:, None]
    weight = (torch.randn(60, 333) * exponents).to(dtype)
    weight[7] = 0
    model = tmp_path / "float"
    model.mkdir()
    save_file({"layer.weight": weight.contiguous()}, model / "model.safetensors")
    (model / "config.json").write_text("{}")
    report = a8w8.quantize_checkpoint(model, tmp_path / "out", format=format, progress=False)
    assert report.quantized == ["layer"]
    recipe = (127, -127, 2.0**-14) if format == "msmodelslim" else (127.5, -128, torch.finfo(dtype).eps)
    expected, scale = quantized(weight, *recipe)
    stored = load_file(next((tmp_path / "out").glob("*.safetensors")))
    assert torch.equal(stored["layer.weight"], expected)
    assert torch.equal(stored["layer.weight_scale"], scale.float() if format == "msmodelslim" else scale)


def test_agrees_with_quantize_model(tmp_path: Path, data: Path):
    import transformers

    a8w8.quantize_checkpoint(data / "float-bf16", tmp_path / "streamed", progress=False)
    model = transformers.AutoModelForCausalLM.from_pretrained(data / "float-bf16", dtype=torch.bfloat16)
    a8w8.save_checkpoint(
        a8w8.quantize_model(model, "w8a8_dynamic", skip=["lm_head"], progress=False), tmp_path / "saved"
    )
    streamed, saved = (a8w8.load_model(tmp_path / name).state_dict() for name in ("streamed", "saved"))
    assert streamed.keys() == saved.keys()
    for name, tensor in saved.items():
        assert torch.equal(streamed[name].to(tensor.dtype), tensor), name


@torch.no_grad()
def test_formats_convert_into_each_other(tmp_path: Path, data: Path):
    sample = data / "msmodelslim-v1-static-bf16"
    there = a8w8.convert_checkpoint(sample, tmp_path / "ct", "compressed-tensors", progress=False)
    assert (there.source_format, there.format, there.static_layers) == ("msmodelslim", "compressed-tensors", 14)
    assert any("weight_scale = deq_scale / input_scale" in note for note in there.notes)
    back = a8w8.convert_checkpoint(tmp_path / "ct", tmp_path / "ms", "msmodelslim", progress=False)
    assert back.static_layers == 14
    tokens = torch.arange(24)[None]
    expected, found = (
        a8w8.load_model(folder, dtype=torch.float32)(tokens).logits for folder in (sample, tmp_path / "ms")
    )
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_write_checkpoint_takes_the_format(tmp_path: Path):
    weight, scale = torch.ones(3, 4, dtype=torch.int8), torch.ones(3, 1, dtype=torch.bfloat16)
    torch.ops.a8w8.write_checkpoint(
        str(tmp_path / "out"),
        ["a.weight", "a.weight_scale"],
        ["W8A8_DYNAMIC", "W8A8_DYNAMIC"],
        [weight, scale],
        ["config.json"],
        ['{"model_type": "x"}'],
        1 << 30,
        "compressed-tensors",
    )
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["quantization_config"]["quant_method"] == "compressed-tensors"
    assert load_file(tmp_path / "out" / "model.safetensors").keys() == {"a.weight", "a.weight_scale"}


def test_errors_name_what_is_wrong(tmp_path: Path, data: Path):
    with pytest.raises(RuntimeError, match="matches no layer"):
        a8w8.quantize_checkpoint(data / "float-bf16", tmp_path / "out", skip=["*.nothing"], progress=False)
    with pytest.raises(RuntimeError, match="format is .*gguf"):
        a8w8.quantize_checkpoint(data / "float-bf16", tmp_path / "out", format="gguf", progress=False)
    assert not list(tmp_path.iterdir())


def test_a_job_can_be_watched_and_cancelled(tmp_path: Path):
    """A file of holes, long enough to be seen under way from another thread, which needs the GIL meanwhile."""
    model = tmp_path / "float"
    model.mkdir()
    entry = {"dtype": "BF16", "shape": [16384, 16384], "data_offsets": [0, 2 << 28]}
    header = json.dumps({"layer.weight": entry}).encode().ljust(128)
    with open(model / "model.safetensors", "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + (2 << 28))
    (model / "config.json").write_text("{}")
    job = torch.ops.a8w8.new_job()
    errors = []

    def work() -> None:
        try:
            torch.ops.a8w8.quantize_checkpoint(
                str(model), str(tmp_path / "out"), "msmodelslim", [], num_threads=1, job=job
            )
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive() and not torch.ops.a8w8.job_progress(job)[0]:
        time.sleep(0.001)
    torch.ops.a8w8.cancel_job(job)
    thread.join()
    assert len(errors) == 1 and "cancelled" in errors[0]
    assert [entry.name for entry in tmp_path.iterdir()] == ["float"]
    assert torch.ops.a8w8.job_progress(job) == [0, 0]
