"""The reader behind load_model: layers by role, and the numbers that the samples of the tools expect of them."""

import json
from pathlib import Path

import a8w8
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

SAMPLES = ("msmodelslim-v1-static-bf16", "msmodelslim-v0-dyn-bf16", "compressed-tensors-dyn-bf16")
LAYERS = ("model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj")


def read(folder: Path, **options: str) -> tuple[dict, dict[str, torch.Tensor]]:
    summary, names, tensors = torch.ops.a8w8.read_checkpoint(str(folder), **options)
    return json.loads(summary), dict(zip(names, tensors, strict=True))


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("sample", SAMPLES)
def test_layers_of_the_samples_give_the_expected_arrays(data, sample, layer):
    summary, tensors = read(data / sample)
    scheme = {entry["name"]: entry["scheme"] for entry in summary["layers"]}[layer]
    part = {name.removeprefix(f"{layer}."): tensor for name, tensor in tensors.items() if name.startswith(f"{layer}.")}
    with np.load(data / sample / "expected.npz") as stored:
        x, x_q, acc, y = (torch.from_numpy(stored[f"{layer}/{what}"]) for what in ("x", "x_q", "acc", "y"))
        ps = torch.from_numpy(stored[f"{layer}/pertoken_scale"]) if scheme == "w8a8_dynamic" else None
    x = x.bfloat16()
    if scheme == "w8a8_dynamic":
        found, found_scale = a8w8.ops.dynamic_quant(x)
        assert torch.equal(found_scale, ps)
        out = torch.ops.a8w8.linear_dynamic(x, part["weight"], part["weight_scale"], part.get("bias"))
        sums = found.int() @ part["weight"].int().t()
    else:
        found = a8w8.ops.quantize(x, part["input_scale"], part["input_offset"], torch.qint8, axis=-1)
        out = torch.ops.a8w8.linear_static(
            x, part["input_scale"], part["input_offset"], part["weight"], part["deq_scale"], part["quant_bias"]
        )
        sums = found.int() @ part["weight"].int().t() + part["quant_bias"]
    assert torch.equal(found, x_q)
    assert torch.equal(sums, acc)
    assert torch.equal(out.float(), y)


@pytest.mark.parametrize(("sample", "kind"), tuple(zip(SAMPLES, ("w8a8", "w8a8_dynamic", "w8a8_dynamic"), strict=True)))
def test_summary_and_shapes_do_not_depend_on_the_format(data, sample, kind):
    summary, tensors = read(data / sample)
    assert summary["format"] == sample.split("-dyn")[0].split("-v")[0]
    assert len(summary["layers"]) == 14 and {layer["scheme"] for layer in summary["layers"]} == {kind}
    assert summary["warnings"] == [] and "14 layers" in summary["scheme"]
    for layer in summary["layers"]:
        n, k = tensors[f"{layer['name']}.weight"].shape
        shapes = {"weight_scale": (n, 1)}
        if kind == "w8a8":
            shapes = {"input_scale": (1,), "input_offset": (1,), "deq_scale": (n,), "quant_bias": (n,)}
        for role, shape in shapes.items():
            assert tensors[f"{layer['name']}.{role}"].shape == shape
    assert "lm_head.weight" in tensors and "model.layers.0.mlp.down_proj.weight" in tensors


def compressed_folder(folder: Path, inputs: dict, **tensors: torch.Tensor) -> Path:
    """One layer "a" with these tensors."""
    save_file({f"a.{name}": tensor for name, tensor in tensors.items()}, folder / "model.safetensors")
    weights = {"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": True}
    group = {"targets": ["Linear"], "weights": weights, "input_activations": {"num_bits": 8, "type": "int"} | inputs}
    quantization = {"quant_method": "compressed-tensors", "format": "int-quantized", "config_groups": {"g": group}}
    (folder / "config.json").write_text(json.dumps({"dtype": "bfloat16", "quantization_config": quantization}))
    return folder


def test_asymmetric_inputs_of_compressed_tensors(tmp_path):
    weight = torch.randint(-128, 128, (24, 200), dtype=torch.int8)
    scale, bias, input_scale = torch.rand(24, 1) / 100, torch.randn(24), torch.tensor([0.03])
    folder = compressed_folder(
        tmp_path,
        {"dynamic": False, "strategy": "tensor", "symmetric": False},
        weight=weight, weight_scale=scale, bias=bias, input_scale=input_scale,
        input_zero_point=torch.tensor([-17], dtype=torch.int8),
    )  # fmt: skip
    summary, tensors = read(folder)
    assert summary["layers"] == [
        {"name": "a", "scheme": "w8a8", "quant_type": "int8 static asymmetric", "adds_bias": True}
    ]
    assert torch.equal(tensors["a.deq_scale"], scale.flatten() * input_scale)
    assert torch.equal(tensors["a.quant_bias"], 17 * weight.sum(1, dtype=torch.int32))
    x = torch.randn(5, 200)
    x_q = torch.clamp(torch.round(x / input_scale) - 17, -128, 127)
    expected = ((x_q + 17) @ weight.float().t()) * tensors["a.deq_scale"] + bias
    roles = ("input_scale", "input_offset", "weight", "deq_scale", "quant_bias")
    y = torch.ops.a8w8.linear_static(x, *(tensors[f"a.{role}"] for role in roles), bias=tensors["a.bias"])
    torch.testing.assert_close(y, expected, rtol=1e-6, atol=1e-6)

    for dtype, rounded in (("auto", torch.bfloat16), ("float16", torch.float16)):
        _, tensors = read(folder, parity="vllm-ascend", dtype=dtype)
        assert torch.equal(tensors["a.deq_scale"], (scale.flatten().to(rounded) * input_scale.to(rounded)).float())


def test_options_are_checked(data):
    for options in ({"parity": "vllm"}, {"dtype": "int8"}, {"mix": "both"}):
        ((name, value),) = options.items()
        with pytest.raises(RuntimeError, match=rf'read_checkpoint: {name} is "{value}", but must be one of'):
            read(data / SAMPLES[0], **options)


def test_tensors_keep_their_files_mapped(data):
    _, tensors = read(data / SAMPLES[0])
    weight = tensors.pop("model.layers.0.mlp.up_proj.weight")
    expected = int(weight.sum())
    tensors.clear()
    assert int(weight.sum()) == expected


def test_inspect_gives_the_report_as_objects(data, tmp_path):
    report = a8w8.inspect(data / "compressed-tensors-dyn-bf16")
    assert report.ok and report.format == "compressed-tensors" and not report.findings
    assert [(group.quant_type, group.layers) for group in report.groups] == [("int8 dynamic", 14), ("FLOAT", 7)]

    folder = compressed_folder(
        tmp_path,
        {"dynamic": True, "strategy": "token"},
        weight=torch.ones(2, 4, dtype=torch.int8),
        weight_scale=torch.tensor([[1.0], [float("nan")]]),
    )
    report = a8w8.inspect(folder)
    (finding,) = report.problems
    assert not report.ok and not report.warnings
    assert (finding.file, finding.tensor) == ("model.safetensors", "a.weight_scale")
    assert str(finding).startswith('model.safetensors: tensor "a.weight_scale" has nan at index 1; must be finite')
    with pytest.raises(RuntimeError, match="absent"):
        a8w8.inspect(tmp_path / "absent")
