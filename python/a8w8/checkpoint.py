"""Models to checkpoint folders of either format. Writing files is the op library's part; this one knows models."""

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from ._layer_formats import compressed_tensors, msmodelslim_tensors
from .nn._formulas import check_format
from .nn.quantized_linear import QUANT_TYPES, QuantizedLinear

_LAYER_TENSORS = {"msmodelslim": msmodelslim_tensors, "compressed-tensors": compressed_tensors}

# What stands beside the weights of a float model and is of use to a quantized one, the tokenizer above all.
_ENDINGS = (".json", ".txt", ".model", ".jinja", ".tiktoken", ".vocab", ".bpe", ".py")
_STARTS = ("LICENSE", "NOTICE", "USE_POLICY", "COPYING")
_LARGEST_FILE = 256 << 20


def save_checkpoint(
    model: nn.Module,
    path: str | Path,
    format: str = "msmodelslim",
    max_part_bytes: int = 4 << 30,
    source: str | Path | None = None,
) -> None:
    """Writes `model` as a checkpoint folder; the folder appears whole or not at all.

    Weights go to safetensors files, with an index if there are several. "msmodelslim": the type of each tensor goes to
    quant_model_description.json; "compressed-tensors": the scheme goes to config.json as "quantization_config".
    `model.config`, if there is one, becomes config.json, which `load_model` needs. Of tensors that are tied one is
    stored.

    A layer keeps its numbers, whichever format it was made for. Where the formats differ in more than names:

    - from a static layer made for compressed-tensors to "msmodelslim": the float bias goes into quant_bias, rounded to
      steps of deq_scale;
    - from a static layer made for msModelSlim to "compressed-tensors": what quant_bias holds beside the zero point
      becomes the float bias, and weight_scale is deq_scale / input_scale in float32, whose product with input_scale is
      deq_scale again, in a few rows but for the last bit.

    Args:
        model: with QuantizedLinear layers, for instance from `quantize_model`; packed ones are stored plain.
        path: a folder that does not exist, is empty, or holds an older checkpoint, which is replaced.
        format: "msmodelslim" or "compressed-tensors".
        max_part_bytes: the size beyond which weights are split over several files.
        source: the float model's folder: its tokenizer and other small files are copied, all but config.json.

    Raises:
        ValueError: an unknown format, a model without quantized layers, a bias too large for quant_bias.
        FileNotFoundError: `source` is no folder.
        RuntimeError: the folder cannot be written (the disk is full, something else is there); nothing is left behind.
    """
    check_format(format)
    tensors, types = _named_tensors(model, format)
    files = _config_file(model, format) | ({} if source is None else _companions(Path(source)))
    torch.ops.a8w8.write_checkpoint(
        str(path),
        list(tensors),
        types,
        list(tensors.values()),
        list(files),
        list(files.values()),
        max_part_bytes,
        *([] if format == "msmodelslim" else [format]),
    )


def _named_tensors(model: nn.Module, format: str) -> tuple[dict[str, Tensor], list[str]]:
    """What is to be stored, in the order of state_dict, and the type of each tensor."""
    modules = dict(model.named_modules(remove_duplicate=False))
    layers = {name: module for name, module in modules.items() if isinstance(module, QuantizedLinear)}
    if not layers:
        raise ValueError(f"model ({type(model).__name__}) holds no QuantizedLinear; call a8w8.quantize_model first")
    dtype = _model_dtype(model)
    tensors: dict[str, Tensor] = {}
    types: list[str] = []
    seen: set[int] = set()  # tied tensors are one object, and so is a layer under two names
    for name, tensor in model.state_dict(keep_vars=True).items():
        owner = name.rpartition(".")[0]
        layer = layers.get(owner)
        identity = id(tensor if layer is None else layer)
        if identity in seen:
            continue
        seen.add(identity)
        if layer is None:
            tensors[name] = tensor.detach()
            types.append("FLOAT")
            continue
        try:
            stored = _LAYER_TENSORS[format](layer, dtype)
        except ValueError as error:
            raise ValueError(f"{owner}: {error}") from error
        for role, value in stored.items():
            tensors[f"{owner}.{role}"] = value.detach()
            types.append("FLOAT" if role == "bias" else QUANT_TYPES[layer.scheme])
    return tensors, types


def _model_dtype(model: nn.Module) -> torch.dtype:
    """Of what is not quantized."""
    floats = (parameter.dtype for parameter in model.parameters() if parameter.is_floating_point())
    return next(floats, torch.float32)


def _config_file(model: nn.Module, format: str) -> dict[str, str | bytes]:
    """config.json as transformers writes it for this class and dtype, without the float model's quantization."""
    if getattr(model, "config", None) is None:
        return {} if format == "msmodelslim" else {"config.json": "{}"}  # the scheme has to stand somewhere
    config = copy.deepcopy(model.config)
    config.architectures = [type(model).__name__]
    config.dtype = model.dtype
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    return {"config.json": config.to_json_string()}


def _companions(source: Path) -> dict[str, str | bytes]:
    if not source.is_dir():
        raise FileNotFoundError(f"{source} is no folder; `source` is the one of the float model")
    return {file.name: file.read_bytes() for file in sorted(source.iterdir()) if _is_companion(file)}


def _is_companion(file: Path) -> bool:
    name = file.name
    if not (name.endswith(_ENDINGS) or name.startswith(_STARTS)) or name.startswith("."):
        return False
    ours = name == "config.json" or name.endswith(".index.json") or name.startswith("quant_model_description")
    return not ours and file.is_file() and file.stat().st_size <= _LARGEST_FILE
