"""from_pretrained of transformers with the checkpoints of both formats."""

import json
import shutil
import subprocess
import sys

import a8w8
import checkpoint_variants as variants
import pytest
import tiny_models
import torch
from a8w8.nn import QuantizedLinear
from conftest import REPOSITORY

DYNAMIC = "msmodelslim-v0-dyn-bf16"


@pytest.fixture(autouse=True)
def registered():
    """Registered for the test, and as before afterwards."""
    from transformers import PretrainedConfig
    from transformers.quantizers import auto

    mappings = auto.AUTO_QUANTIZER_MAPPING, auto.AUTO_QUANTIZATION_CONFIG_MAPPING
    before = [dict(mapping) for mapping in mappings]
    reading = PretrainedConfig.__dict__["get_config_dict"]
    a8w8.transformers.register()
    yield
    for mapping, old in zip(mappings, before, strict=True):
        mapping.clear()
        mapping.update(old)
    PretrainedConfig.get_config_dict = reading


def is_mapped(model: torch.nn.Module) -> bool:
    """Whether float and int8 weights lie in one mapping of the (small) weights file rather than in allocations."""
    layers = [module for module in model.modules() if isinstance(module, QuantizedLinear)]
    pointers = [tensor.data_ptr() for tensor in (*model.parameters(), *(layer.weight for layer in layers))]
    return max(pointers) - min(pointers) < 2**21


@pytest.mark.parametrize(("family", "scheme"), tiny_models.CASES)
def test_families(family, scheme, tmp_path):
    import transformers

    calibration = [{"input_ids": tiny_models.IDS}] if scheme == "w8a8" else None
    model = a8w8.quantize_model(tiny_models.build(family), scheme, calibration, progress=False)
    a8w8.save_checkpoint(model, tmp_path / "out", max_part_bytes=20_000)
    auto = {
        "bert": transformers.AutoModel,
        "bert_classifier": transformers.AutoModelForSequenceClassification,
        "qwen2_base": transformers.AutoModel,
        "qwen2_vl": transformers.AutoModelForImageTextToText,
    }.get(family, transformers.AutoModelForCausalLM)
    for model_class in (auto, type(model)):
        loaded, info = model_class.from_pretrained(tmp_path / "out", dtype="auto", output_loading_info=True)
        assert type(loaded) is type(model) and loaded.dtype == model.dtype and not loaded.training
        assert not any(info.values())
        assert not any(tensor.is_meta for tensor in (*loaded.parameters(), *loaded.buffers()))
        assert torch.equal(tiny_models.output(loaded), tiny_models.output(model))
    if loaded.can_generate():
        options = {"max_new_tokens": 5, "do_sample": False}
        assert torch.equal(loaded.generate(tiny_models.IDS, **options), model.generate(tiny_models.IDS, **options))


def test_the_samples_as_load_model_has_them(data):
    from transformers import AutoModelForCausalLM

    for sample in (DYNAMIC, "msmodelslim-v1-static-bf16", "compressed-tensors-dyn-bf16"):
        model = AutoModelForCausalLM.from_pretrained(data / sample, dtype="auto")
        expected = a8w8.load_model(data / sample)
        assert repr(model) == repr(expected) and is_mapped(model)
        for name, tensor in expected.state_dict().items():
            found = model.state_dict()[name]
            assert found.dtype == tensor.dtype and torch.equal(found, tensor), name
        assert AutoModelForCausalLM.from_pretrained(data / sample).dtype == torch.float32  # transformers' default


@pytest.mark.parametrize("parts", [1, 3])
def test_the_float_model_may_lie_beside_the_checkpoint(parts, tmp_path):
    from transformers import AutoModelForCausalLM

    model = tiny_models.build("llama")
    quantized = a8w8.quantize_model(model, "w8a8_dynamic", progress=False)
    a8w8.save_checkpoint(quantized, tmp_path / "out", max_part_bytes=60_000 // parts)
    model.save_pretrained(tmp_path / "float", max_shard_size="100KB")
    for file in (tmp_path / "float").glob("*.safetensors*"):
        shutil.copyfile(file, tmp_path / "out" / file.name)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert torch.equal(tiny_models.output(loaded), tiny_models.output(quantized))


@pytest.mark.parametrize("parity", ["exact", "vllm-ascend"])
def test_choices_are_arguments(parity, tmp_path):
    from transformers import AutoModelForCausalLM

    variants.compressed_tensors_static(tmp_path / "ct", symmetric=False)
    variants.mixed(tmp_path / "mix", "static")
    for folder in (tmp_path / "ct", tmp_path / "mix"):
        config = a8w8.transformers.config(parity=parity, mix="static")
        with pytest.warns(UserWarning, match="You passed `quantization_config`"):
            model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto", quantization_config=config)
        expected = a8w8.load_model(folder, parity=parity, mix="static")
        assert repr(model) == repr(expected)
        assert model.model.layers[0].mlp.up_proj.reciprocal == (parity == "vllm-ascend")
        assert torch.equal(tiny_models.output(model), tiny_models.output(expected))


def test_what_the_checkpoint_lacks_is_initialized_and_named(data):
    from transformers import AutoModel, AutoModelForSequenceClassification

    with pytest.warns(UserWarning, match="1 tensors that Qwen2ForSequenceClassification does not use: lm_head.weight"):
        model, info = AutoModelForSequenceClassification.from_pretrained(
            data / DYNAMIC, dtype="auto", output_loading_info=True
        )
    assert info["missing_keys"] == ["score.weight"] and model.score.weight.isfinite().all()
    assert isinstance(model.model.layers[0].mlp.up_proj, QuantizedLinear)
    base = AutoModel.from_pretrained(data / DYNAMIC, dtype="auto")
    assert torch.equal(tiny_models.output(base), tiny_models.output(a8w8.load_model(data / DYNAMIC).model))


def test_names_of_the_hub(data, tmp_path, monkeypatch):
    """A repository of compressed-tensors that was downloaded before."""
    from transformers import AutoModelForCausalLM

    source = data / "compressed-tensors-dyn-bf16"
    snapshot = tmp_path / "models--someone--qwen" / "snapshots" / ("0" * 40)
    shutil.copytree(source, snapshot)
    (tmp_path / "models--someone--qwen" / "refs").mkdir()
    (tmp_path / "models--someone--qwen" / "refs" / "main").write_text("0" * 40)
    with pytest.raises(FileNotFoundError, match=r"someone/qwen .*neither a folder nor in the Hub's cache"):
        AutoModelForCausalLM.from_pretrained("someone/qwen", dtype="auto", cache_dir=tmp_path)
    monkeypatch.setattr("transformers.utils.hub.TRANSFORMERS_CACHE", str(tmp_path))
    model = AutoModelForCausalLM.from_pretrained("someone/qwen", dtype="auto", attn_implementation="eager")
    expected = AutoModelForCausalLM.from_pretrained(source, dtype="auto", attn_implementation="eager")
    assert model.config._attn_implementation == "eager"
    assert torch.equal(tiny_models.output(model), tiny_models.output(expected))


def test_refusals(data, tmp_path):
    from transformers import AutoModelForCausalLM

    tiny_models.build("llama").save_pretrained(tmp_path / "float")
    config = a8w8.transformers.config()
    with pytest.raises(ValueError, match=r"float holds no quantized layer"):
        AutoModelForCausalLM.from_pretrained(tmp_path / "float", quantization_config=config)
    with pytest.raises(ValueError, match="parity is 'fast', allowed: 'exact', 'vllm-ascend'"):
        a8w8.transformers.config(parity="fast")
    model = AutoModelForCausalLM.from_pretrained(data / DYNAMIC, dtype="auto")
    with pytest.raises(ValueError, match="not serializable"):
        model.save_pretrained(tmp_path / "again")
    a8w8.save_checkpoint(model, tmp_path / "ours")
    assert "quantization_config" not in json.loads((tmp_path / "ours" / "config.json").read_text())
    assert torch.equal(tiny_models.output(a8w8.load_model(tmp_path / "ours")), tiny_models.output(model))


def test_compressed_tensors_may_be_left_to_its_package(data):
    from transformers import AutoModelForCausalLM

    folder = data / "compressed-tensors-dyn-bf16"
    a8w8.transformers.register(compressed_tensors=False)
    with pytest.raises(ImportError, match="compressed_tensors is not installed"):
        AutoModelForCausalLM.from_pretrained(folder)
    AutoModelForCausalLM.from_pretrained(data / DYNAMIC)
    a8w8.transformers.register(compressed_tensors=True)
    model = AutoModelForCausalLM.from_pretrained(folder)
    as_stored = json.loads((folder / "config.json").read_text())["quantization_config"]
    assert json.loads(model.config.to_json_string())["quantization_config"] == as_stored


def test_float_folders_are_loaded_as_ever(tmp_path):
    from transformers import AutoConfig, AutoModelForCausalLM

    model = tiny_models.build("llama")
    model.save_pretrained(tmp_path / "float")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "float")
    assert torch.equal(tiny_models.output(loaded), tiny_models.output(model))
    assert not hasattr(AutoConfig.from_pretrained(tmp_path / "float"), "quantization_config")


def test_importing_loads_no_transformers():
    code = "import sys, a8w8, a8w8.transformers; print('transformers' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY / "python"
    )
    assert run.stdout.strip() == "False"
