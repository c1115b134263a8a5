"""Models to msModelSlim folders and back. Reading and writing files is the op library's part; this one knows models."""

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from ._checkpoint_layers import in_shape, install_quantized_layers, layer_tensors
from .nn.quantized_linear import QUANT_TYPES, QuantizedLinear

_FORMATS = ("msmodelslim",)
_PARITIES = ("exact",)
_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


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
    _require("format", format, _FORMATS)
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


def load_model(path: str | Path, dtype: str | torch.dtype = "auto", parity: str = "exact") -> nn.Module:
    """Builds the transformers model of an msModelSlim folder around the tensors as they lie in its files (no copies).

    The class is the one that config.json names under "architectures". Linear layers that the checkpoint has as W8A8 or
    W8A8_DYNAMIC become QuantizedLinear. The model is in evaluation mode and wants no gradients.

    Args:
        path: the folder.
        dtype: of everything that is not quantized: "auto" for the one config.json names, or torch.float32,
            torch.bfloat16 or torch.float16. Tensors of another dtype are converted, hence copied.
        parity: "exact": inputs of static layers are divided by input_scale.

    Raises:
        ValueError: an unknown dtype or parity, a config that names no known class, tensors that are missing,
            unexpected, of a wrong shape, each by name.
        FileNotFoundError: no such folder, or no config.json in it.
        RuntimeError: files that are damaged, not understood, or hold values that the format rules out.
    """
    _require("parity", parity, _PARITIES)
    if dtype != "auto":
        _require("dtype", dtype, _DTYPES, also="'auto'")
    folder = Path(path)
    for needed in (folder, folder / "config.json"):
        if not needed.exists():
            raise FileNotFoundError(
                f"{needed} does not exist; a checkpoint is a folder with config.json and the weights"
            )
    summary, names, stored = torch.ops.a8w8.read_checkpoint(str(folder))
    tensors = dict(zip(names, stored, strict=True))
    quant_types = {f"{layer['name']}.weight": QUANT_TYPES[layer["scheme"]] for layer in json.loads(summary)["layers"]}
    model = _build(folder, dtype)
    layers = install_quantized_layers(model, tensors, quant_types)
    _assign(model, layers, tensors)
    return model.requires_grad_(False).eval()


def _require(what: str, got: object, allowed: tuple[object, ...], also: str = "") -> None:
    if got not in allowed:
        choices = [*map(repr, allowed), *([also] if also else [])]
        raise ValueError(f"{what} is {got!r}, allowed: {', '.join(choices)}")


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


def _build(folder: Path, dtype: str | torch.dtype) -> nn.Module:
    import transformers  # here, because it takes seconds and is not needed for layers and ops

    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    names = config.architectures or []
    model_class = getattr(transformers, names[0], None) if len(names) == 1 else None
    if model_class is None:
        raise ValueError(
            f'{folder / "config.json"}: "architectures" is {names}, allowed: one class of transformers '
            f"{transformers.__version__}"
        )
    config.dtype = (config.dtype or torch.float32) if dtype == "auto" else dtype
    with _parameters_on_meta():
        return model_class._from_config(config, dtype=config.dtype)


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


def _assign(model: nn.Module, layers: dict[str, QuantizedLinear], tensors: dict[str, Tensor]) -> None:
    """Puts the checkpoint's tensors in place of the model's empty ones, converting only what differs in dtype."""
    ready: dict[str, Tensor] = {}
    for layer, module in layers.items():
        ready.update(layer_tensors(layer, module, tensors))
    expected = model.state_dict(keep_vars=True)
    for name in expected.keys() & tensors.keys() - ready.keys():
        place = expected[name]
        ready[name] = in_shape(name, tensors[name], place.shape).to(place.dtype)

    by_identity = {id(expected[name]): tensor for name, tensor in ready.items()}
    for name in expected.keys() - ready.keys():
        if id(expected[name]) in by_identity:  # tied: stored under its other name
            ready[name] = by_identity[id(expected[name])]
    _require_same_names(expected.keys(), ready.keys() | tensors.keys() - _unused(layers))
    model.load_state_dict(ready, assign=True)
    if hasattr(model, "tie_weights"):
        model.tie_weights()  # assigning has made two parameters of each tied one


def _unused(layers: dict[str, QuantizedLinear]) -> set[str]:
    """What the older tool stores beside deq_scale, although that contains it already."""
    static = [layer for layer, module in layers.items() if module.scheme == "w8a8"]
    return {f"{layer}.{name}" for layer in static for name in ("weight_scale", "weight_offset")}


def _require_same_names(expected: set[str], found: set[str]) -> None:
    problems = [
        f"{len(names)} {what}: {', '.join(sorted(names))}"
        for what, names in (("missing", expected - found), ("unexpected", found - expected))
        if names
    ]
    if problems:
        raise ValueError(f"the checkpoint's tensors are not those of the model; {'; '.join(problems)}")
