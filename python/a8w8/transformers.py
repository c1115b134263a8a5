"""Checkpoints through transformers' own `AutoModelFor....from_pretrained`.

    import a8w8.transformers
    a8w8.transformers.register()
    model = AutoModelForCausalLM.from_pretrained("model-w8a8", dtype="auto")

Importing a8w8 loads transformers neither directly nor through this module; `register()` does. `a8w8.load_model` needs
no registration.
"""

import functools
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._transformers_quantizer import A8W8Config

METHOD = "a8w8"
_COMPRESSED_TENSORS = "compressed-tensors"


def register(compressed_tensors: bool | None = None) -> None:
    """Makes `from_pretrained` of this process load the checkpoints that `a8w8.load_model` loads.

    Folders of msModelSlim, which config.json says nothing about, are recognized by quant_model_description*.json.
    Calling it again does nothing but change the choice.

    Args:
        compressed_tensors: whether folders of compressed-tensors become QuantizedLinear rather than the layers of the
            compressed_tensors package; None: where that package is not installed, without which they do not load.
    """
    from transformers.quantizers import auto

    from . import _transformers_quantizer as ours

    if compressed_tensors is None:
        compressed_tensors = importlib.util.find_spec("compressed_tensors") is None
    auto.AUTO_QUANTIZER_MAPPING[METHOD] = ours.A8W8Quantizer
    auto.AUTO_QUANTIZATION_CONFIG_MAPPING[METHOD] = ours.A8W8Config
    theirs = auto.CompressedTensorsConfig
    auto.AUTO_QUANTIZATION_CONFIG_MAPPING[_COMPRESSED_TENSORS] = ours.A8W8Config if compressed_tensors else theirs
    _recognize_msmodelslim()


def config(parity: str = "exact", mix: str = "dynamic") -> "A8W8Config":
    """For `from_pretrained(..., quantization_config=...)`, where the choices of `a8w8.load_model` are to be others.

    Args:
        parity: "exact" or "vllm-ascend".
        mix: how layers of type W8A8_MIX run, "dynamic" or "static".
    """
    from ._transformers_quantizer import A8W8Config

    return A8W8Config(parity=parity, mix=mix)


def weights_file(folder: Path) -> str | None:
    """The index or the only safetensors file of msModelSlim's, or else of any; None if there are several files only.

    The float model's files may lie beside them.
    """
    own = "quant_model_weight*.safetensors"
    for pattern in (f"{own}.index.json", own, "*.safetensors.index.json", "*.safetensors"):
        found = sorted(file.name for file in folder.glob(pattern))
        if len(found) == 1:
            return found[0]
    return None


def _recognize_msmodelslim() -> None:
    """Adds to the config of each msModelSlim folder what transformers needs to know: method and name of the weights."""
    from transformers import PretrainedConfig

    original = PretrainedConfig.get_config_dict.__func__
    if getattr(original, "recognizes_msmodelslim", False):
        return

    @functools.wraps(original)
    def get_config_dict(cls: type, name: Any, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        found, rest = original(cls, name, **kwargs)
        folder = Path(name) if isinstance(name, str | os.PathLike) else None
        if folder and folder.is_dir() and any(folder.glob("quant_model_description*.json")):
            additions = {"quantization_config": {"quant_method": METHOD}, "transformers_weights": weights_file(folder)}
            found = {**{key: value for key, value in additions.items() if value is not None}, **found}
        return found, rest

    get_config_dict.recognizes_msmodelslim = True
    PretrainedConfig.get_config_dict = classmethod(get_config_dict)
