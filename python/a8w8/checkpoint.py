"""Models to checkpoint folders. Writing files is the op library's part; this one knows models."""

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from ._stored_checkpoint import require
from .nn.quantized_linear import QUANT_TYPES, QuantizedLinear

_FORMATS = ("msmodelslim",)


def save_checkpoint(
    model: nn.Module, path: str | Path, format: str = "msmodelslim", max_part_bytes: int = 4 << 30
) -> None:
    """Writes `model` as a checkpoint folder; the folder appears whole or not at all.

    Weights go to safetensors parts with an index, the type of each tensor to quant_model_description.json, and
    `model.config`, if there is one, to config.json, which `load_model` needs. Of tensors that are tied one is stored.

    Args:
        model: with QuantizedLinear layers, for instance from `quantize_model`; packed ones are stored plain.
        path: a folder that does not exist, is empty, or holds an older checkpoint, which is replaced.
        format: "msmodelslim".
        max_part_bytes: the size beyond which weights are split over several files.

    Raises:
        ValueError: an unknown format, or a model without quantized layers.
        RuntimeError: the folder cannot be written (the disk is full, something else is there); nothing is left behind.
    """
    require("format", format, _FORMATS)
    modules = dict(model.named_modules(remove_duplicate=False))
    layers = {name: module for name, module in modules.items() if isinstance(module, QuantizedLinear)}
    if not layers:
        raise ValueError(f"model ({type(model).__name__}) holds no QuantizedLinear; call a8w8.quantize_model first")
    tensors: dict[str, Tensor] = {}
    types: list[str] = []
    seen: set[int] = set()
    for name, tensor in model.state_dict(keep_vars=True).items():
        owner, _, kind = name.rpartition(".")
        packed = getattr(modules.get(owner), "packed_weight", None) if kind == "weight" else None
        identity = id(tensor if packed is None else packed)  # unpacked anew under each of its names
        if identity not in seen:  # tied tensors are one object here
            seen.add(identity)
            tensors[name] = tensor.detach()
            types.append(QUANT_TYPES[layers[owner].scheme] if owner in layers and kind != "bias" else "FLOAT")
    files = _config_file(model)
    torch.ops.a8w8.write_checkpoint(
        str(path),
        list(tensors),
        types,
        list(tensors.values()),
        list(files),
        list(files.values()),
        max_part_bytes,
    )


def _config_file(model: nn.Module) -> dict[str, str]:
    """config.json as transformers writes it for this class and dtype, without the float model's quantization."""
    if getattr(model, "config", None) is None:
        return {}
    config = copy.deepcopy(model.config)
    config.architectures = [type(model).__name__]
    config.dtype = model.dtype
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    return {"config.json": config.to_json_string()}
