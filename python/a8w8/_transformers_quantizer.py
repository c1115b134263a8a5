"""How transformers' from_pretrained comes to hold a checkpoint's layers. Imports transformers: see transformers.py."""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig
from transformers.quantizers.base import HfQuantizer
from transformers.utils import CONFIG_NAME, cached_file
from transformers.utils.quantization_config import CompressedTensorsConfig, QuantizationConfigMixin

from ._checkpoint_layers import assign, fitting_tensors, install_layers, require_complete_layers, unexpected_tensors
from ._checkpoint_names import with_names_of
from ._fused_layers import with_layers_of
from ._stored_checkpoint import MIXES, PARITIES, StoredCheckpoint, read_checkpoint, require
from .transformers import METHOD


class A8W8Config(CompressedTensorsConfig):
    """What `from_pretrained` may be told: parity and mix of `a8w8.load_model`. The rest is in the folder.

    It is a CompressedTensorsConfig in name only: transformers lets the arguments of from_pretrained go before what
    config.json says for that class and a few more.
    """

    def __init__(self, parity: str = "exact", mix: str = "dynamic", quant_method: str = METHOD, **kwargs: Any) -> None:
        require("parity", parity, PARITIES)
        require("mix", mix, MIXES)
        self.quant_method = METHOD
        self.parity = parity
        self.mix = mix
        self.stored_as = {"quant_method": quant_method, **kwargs}  # what config.json has

    def get_loading_attributes(self) -> dict[str, Any]:
        """Those that the arguments of from_pretrained override."""
        return {"parity": self.parity, "mix": self.mix}

    def to_dict(self) -> dict[str, Any]:
        """As in config.json."""
        return dict(self.stored_as)

    def to_diff_dict(self) -> dict[str, Any]:
        """The same: every value is somebody's choice."""
        return self.to_dict()


class A8W8Quantizer(HfQuantizer):
    """Gives a model the layers of a checkpoint, and all of its tensors, mapped; transformers reads none of them.

    Everything that the checkpoint has is kept from transformers, which would copy and cast it. So what is left to do
    there is to initialize what the checkpoint lacks, such as a new head, and to say so.
    """

    def __init__(self, quantization_config: QuantizationConfigMixin, **kwargs: Any) -> None:
        super().__init__(quantization_config, **kwargs)
        self._stored: StoredCheckpoint | None = None
        self._covered: set[str] = set()

    def validate_environment(self, *args: Any, device_map: Any = None, **kwargs: Any) -> None:
        """The CPU only."""
        devices = {torch.device(device) for device in device_map.values()} if isinstance(device_map, dict) else set()
        if isinstance(device_map, str) or devices - {torch.device("cpu")}:
            raise ValueError(
                f"device_map is {device_map!r}, allowed: None or 'cpu'; int8 layers of a8w8 run on the CPU"
            )

    def _convert_model_for_quantization(self, model: nn.Module) -> None:
        """Not wanted: transformers would exchange modules for other quantizers, and needs accelerate to do so."""

    def _process_model_before_weight_loading(self, model: nn.Module, **kwargs: Any) -> None:
        config = self.quantization_config
        folder = _folder_of(model.config)
        stored = read_checkpoint(folder, model.dtype, config.parity, config.mix)
        if not stored.layers:
            raise ValueError(f"{folder} holds no quantized layer, but is loaded with a quantization_config of a8w8")
        self._stored = with_layers_of(model, with_names_of(model, stored))
        install_layers(model, self._stored, config.parity)
        self._covered = self._stored.tensors.keys() | require_complete_layers(model, self._stored)
        notes = [*stored.warnings]
        unused = unexpected_tensors(model, self._stored)
        if unused:
            notes.append(f"{len(unused)} tensors that {type(model).__name__} does not use: {', '.join(sorted(unused))}")
        if notes:
            warnings.warn(f"{folder}: {'; '.join(notes)}", stacklevel=2)
        model._keys_to_ignore_on_load_unexpected = ["."]  # said by now

    def update_expected_keys(self, model: nn.Module, expected_keys: list[str], loaded_keys: list[str]) -> list[str]:
        """Those that are not in the checkpoint."""
        return [name for name in expected_keys if name not in self._covered]

    def update_missing_keys(self, model: nn.Module, missing_keys: list[str], prefix: str) -> list[str]:
        """The same."""
        return [name for name in missing_keys if name not in self._covered]

    def update_unexpected_keys(self, model: nn.Module, unexpected_keys: list[str]) -> list[str]:
        """All that the checkpoint has: these are not read."""
        return sorted({*unexpected_keys, *self._covered})

    def _process_model_after_weight_loading(self, model: nn.Module, **kwargs: Any) -> None:
        assign(model, fitting_tensors(model, self._stored))
        model.requires_grad_(False)
        self._stored = None
        for module in model.modules():  # transformers' note to itself, which its configs cannot be saved with
            if isinstance(getattr(module, "config", None), PretrainedConfig):
                vars(module.config).pop("_pre_quantization_dtype", None)

    def is_serializable(self, safe_serialization: Any = None) -> bool:
        """No: save_pretrained would write files that nobody reads; a8w8.save_checkpoint writes a checkpoint."""
        return False

    @property
    def is_trainable(self) -> bool:
        """No: int8 weights have no gradients."""
        return False

    @property
    def is_compileable(self) -> bool:
        """generate() may compile the model."""
        return True


def _folder_of(config: Any) -> Path:
    """Where the checkpoint lies: the folder that from_pretrained was given, or the Hub's snapshot of that name."""
    name = config.name_or_path
    if Path(name).is_dir():
        return Path(name)
    try:
        revision = getattr(config, "_commit_hash", None)
        return Path(cached_file(name, CONFIG_NAME, revision=revision, local_files_only=True)).parent
    except OSError as error:
        raise FileNotFoundError(
            f"{name} is neither a folder nor in the Hub's cache; where it lies elsewhere (cache_dir, subfolder), pass "
            "the path of the folder"
        ) from error
