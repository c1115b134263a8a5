"""Checkpoint folders to models of transformers. Reading files is the op library's part; this one knows models."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ._checkpoint_layers import assign, fitting_tensors, install_layers, require_same_names
from ._checkpoint_names import with_names_of
from ._fused_layers import with_layers_of
from ._stored_checkpoint import read_checkpoint


def load_model(
    path: str | Path,
    dtype: str | torch.dtype = "auto",
    parity: str = "exact",
    mix: str = "dynamic",
    model_class: Any = None,
) -> nn.Module:
    """Builds the transformers model of a checkpoint folder around the tensors as they lie in its files (no copies).

    The folder is msModelSlim's or compressed-tensors', see docs/models.md. Linear layers that are quantized there
    become QuantizedLinear; a folder without any gives the float model. The model is in evaluation mode, wants no
    gradients and has the folder's generation_config.json.

    Args:
        path: the folder.
        dtype: of everything that is not quantized: "auto" for the one config.json names, or torch.float32,
            torch.bfloat16 or torch.float16. Tensors of another dtype are converted, hence copied.
        parity: of static layers: "exact" divides inputs by input_scale; "vllm-ascend" multiplies by the reciprocal
            rounded to the model's dtype, as vLLM-Ascend does.
        mix: how layers of type W8A8_MIX run: "dynamic" or "static".
        model_class: a class of transformers, for instance AutoModel; None: the one that config.json names under
            "architectures".

    Raises:
        ValueError: an unknown dtype, parity or mix, a config that names no known class, tensors that are missing,
            unexpected, of a wrong shape, each by name; shards of a fused layer that differ in type or input scale.
        FileNotFoundError: no such folder, or no config.json in it.
        RuntimeError: files that are damaged, not understood, or hold values that the format rules out.
    """
    folder = Path(path)
    stored = read_checkpoint(folder, dtype, parity, mix)
    if stored.warnings:
        warnings.warn(f"{folder}: " + "; ".join(stored.warnings), stacklevel=2)
    model = _build(folder, dtype, model_class)
    stored = with_layers_of(model, with_names_of(model, stored))
    install_layers(model, stored, parity)
    ready = fitting_tensors(model, stored)
    require_same_names(model, stored, ready)
    assign(model, ready)
    _load_generation_config(model, folder)
    return model.requires_grad_(False).eval()


def _build(folder: Path, dtype: str | torch.dtype, model_class: Any) -> nn.Module:
    """The model without values: parameters on the meta device."""
    import transformers  # here, because it takes seconds and is not needed for layers and ops

    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    if hasattr(config, "quantization_config"):
        del config.quantization_config  # the layers are what it says, and transformers would act on it
    model_class = model_class or _class_of(folder, config)
    stored_dtype = config.dtype or config.get_text_config().dtype or torch.float32
    config.dtype = stored_dtype if dtype == "auto" else dtype
    with _parameters_on_meta():
        build = getattr(model_class, "_from_config", None) or model_class.from_config  # the latter: AutoModel...
        return build(config, dtype=config.dtype)


def _class_of(folder: Path, config: Any) -> Any:
    import transformers

    names = config.architectures or []
    found = getattr(transformers, names[0], None) if len(names) == 1 else None
    if found is None:
        raise ValueError(
            f'{folder / "config.json"}: "architectures" is {names}, allowed: one class of transformers '
            f"{transformers.__version__}; for any other pass model_class"
        )
    return found


@contextmanager
def _parameters_on_meta() -> Iterator[None]:
    """Modules built inside have parameters without storage, while buffers are real.

    `with torch.device("meta")` would take the buffers too. The non-persistent ones (position ids, rotary frequencies)
    are in no checkpoint, and only the constructors know their contents.
    """
    register = nn.Module.register_parameter

    def register_on_meta(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if parameter is not None and parameter.device.type != "meta":
            parameter = nn.Parameter(parameter.to("meta"), requires_grad=parameter.requires_grad)
        register(module, name, parameter)

    nn.Module.register_parameter = register_on_meta
    try:
        yield
    finally:
        nn.Module.register_parameter = register


def _load_generation_config(model: nn.Module, folder: Path) -> None:
    if (folder / "generation_config.json").is_file() and hasattr(model, "generation_config"):
        from transformers import GenerationConfig

        model.generation_config = GenerationConfig.from_pretrained(folder, local_files_only=True)
