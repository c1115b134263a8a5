"""The float model of a folder, and which of its layers are to be quantized."""

import json
from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._command import Problem, Usage, first_line

if TYPE_CHECKING:
    import torch
    from torch import nn

_ROUTERS = ("gate", "shared_expert_gate", "wg")


def load_float_model(folder: Path, dtype: "str | torch.dtype" = "auto") -> "nn.Module":
    """The transformers model that config.json names, with the folder's weights; nothing is fetched."""
    config_file = folder / "config.json"
    if not config_file.is_file():
        raise Problem(f"{config_file} does not exist; a model is a folder with config.json and the weights")
    if any(folder.glob("quant_model_description*.json")):
        raise Problem(f"{folder} is quantized already: it holds a quant_model_description")
    import transformers

    config = _loaded(folder, transformers.AutoConfig.from_pretrained)
    if getattr(config, "quantization_config", None) is not None:
        raise Problem(f'{folder} is quantized already: its config.json has a "quantization_config"')
    names = config.architectures or []
    model_class = getattr(transformers, names[0], None) if len(names) == 1 else None
    if model_class is None:
        raise Problem(
            f'{config_file}: "architectures" is {names}, allowed: one class of transformers {transformers.__version__}'
        )
    model, info = _loaded(folder, model_class.from_pretrained, dtype=dtype, output_loading_info=True)
    if info["missing_keys"]:
        missing = sorted(info["missing_keys"])
        raise Problem(
            f"{folder}: {names[0]} needs {len(missing)} tensors that the files lack: {', '.join(missing[:5])}"
        )
    return model.eval()


def _loaded(folder: Path, load: Callable[..., Any], **options: Any) -> Any:
    """What transformers makes of the folder; it raises whatever a damaged file leads to."""
    try:
        return load(folder, local_files_only=True, trust_remote_code=False, **options)
    except Exception as error:
        raise Problem(f"{folder} cannot be loaded: {type(error).__name__}: {first_line(error)}") from error


def choose_layers(model: "nn.Module", skip: list[str]) -> tuple[list[str], dict[str, str]]:
    """Names of the layers to quantize, and for the other linear layers the reason why not."""
    from torch import nn

    linears = {name: module for name, module in model.named_modules() if type(module) is nn.Linear}
    unused = [pattern for pattern in skip if not any(fnmatchcase(name, pattern) for name in linears)]
    if unused:
        some = ", ".join(list(linears)[:3])
        raise Usage(f"--skip holds {unused[0]!r}, which matches none of the {len(linears)} linear layers: {some}, ...")
    owners = Counter(id(parameter) for module in model.modules() for parameter in module.parameters(recurse=False))
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    kept: dict[str, str] = {}
    for name, linear in linears.items():
        pattern = next((pattern for pattern in skip if fnmatchcase(name, pattern)), None)
        last = name.split(".")[-2:]
        if pattern is not None:
            kept[name] = f"--skip {pattern}"
        elif linear is head:
            kept[name] = "output head"
        elif last[-1] in _ROUTERS or any("router" in part for part in last):
            kept[name] = "router of experts"
        elif owners[id(linear.weight)] > 1:
            kept[name] = "shares its weight with another module"
    chosen = [name for name in linears if name not in kept]
    if not chosen:
        raise Usage(f"nothing is left to quantize: {len(linears)} linear layers, all skipped")
    return chosen, kept


def check_output(folder: Path) -> None:
    """Whether the folder may be replaced: before the work, and for a clear message; the writer checks it again."""
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir():
        raise Problem(f"{folder} exists and is not a folder")
    if any(folder.iterdir()) and not any(folder.glob("quant_model_description*.json")) and not _is_compressed(folder):
        raise Problem(f"{folder} exists and is not a quantized checkpoint; it is not overwritten")


def _is_compressed(folder: Path) -> bool:
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError, RecursionError):
        return False
    quantization = config.get("quantization_config") if isinstance(config, dict) else None
    return isinstance(quantization, dict) and quantization.get("quant_method") == "compressed-tensors"
