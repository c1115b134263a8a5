"""What a checkpoint folder holds, as the op library reads it: tensors as they lie in its files, and the layers."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

PARITIES = ("exact", "vllm-ascend")
MIXES = ("dynamic", "static")
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class StoredLayer:
    """A linear layer that is quantized in the checkpoint."""

    scheme: str  # "w8a8" or "w8a8_dynamic"
    quant_type: str  # the word of its format, such as "W8A8_MIX"
    adds_bias: bool  # of scheme "w8a8": the float bias is not inside quant_bias


@dataclass(frozen=True)
class StoredCheckpoint:
    """Tensors by name; those of a quantized layer are named `<layer>.<buffer of QuantizedLinear>`."""

    format: str  # "msmodelslim", "compressed-tensors" or "float"
    warnings: tuple[str, ...]
    layers: dict[str, StoredLayer]
    tensors: dict[str, Tensor]

    def with_names(self, layers: dict[str, StoredLayer], tensors: dict[str, Tensor]) -> "StoredCheckpoint":
        """The same checkpoint with other layers and tensors."""
        return replace(self, layers=layers, tensors=tensors)


def read_checkpoint(
    folder: Path, dtype: str | torch.dtype = "auto", parity: str = "exact", mix: str = "dynamic"
) -> StoredCheckpoint:
    """Maps the files of a folder; tensors are copies only where they have to be computed.

    Raises:
        ValueError: an unknown dtype, parity or mix.
        FileNotFoundError: no such folder, or no config.json in it.
        RuntimeError: files that are damaged, not understood, or hold values that the format rules out.
    """
    require("parity", parity, PARITIES)
    require("mix", mix, MIXES)
    if dtype != "auto":
        require("dtype", dtype, DTYPES, also="'auto'")
    for needed in (folder, folder / "config.json"):
        if not needed.exists():
            raise FileNotFoundError(
                f"{needed} does not exist; a checkpoint is a folder with config.json and the weights"
            )
    word = str(dtype).removeprefix("torch.")
    summary, names, tensors = torch.ops.a8w8.read_checkpoint(str(folder), word, parity, mix)
    facts = json.loads(summary)
    layers = {
        layer["name"]: StoredLayer(layer["scheme"], layer["quant_type"], layer["adds_bias"])
        for layer in facts["layers"]
    }
    return StoredCheckpoint(facts["format"], tuple(facts["warnings"]), layers, dict(zip(names, tensors, strict=True)))


def require(what: str, got: object, allowed: tuple[object, ...], also: str = "") -> None:
    """ValueError that names the choices, unless `got` is one of them."""
    if got not in allowed:
        choices = [*map(repr, allowed), *([also] if also else [])]
        raise ValueError(f"{what} is {got!r}, allowed: {', '.join(choices)}")
