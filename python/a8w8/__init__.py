"""Ascend's A8W8 quantized linear layer on any CPU, with the same bits.

    import a8w8

    int8_model = a8w8.quantize_model(model, "w8a8_dynamic")         # nn.Linear -> a8w8.nn.QuantizedLinear
    a8w8.save_checkpoint(int8_model, "model-w8a8")                  # an msModelSlim folder
    int8_model = a8w8.load_model("model-w8a8")
    print(a8w8.compare(model, int8_model, batches).table())         # which layers lose how much

Importing the package loads the op library, which also registers `torch.ops.npu.*` and `torch.ops.a8w8.*`.
"""

from . import _library

_library.load()

from . import _formats, compat, config, nn, ops, transformers  # noqa: E402 - they use the ops that the library registers
from .calibration import Calibration  # noqa: E402
from .checkpoint import save_checkpoint  # noqa: E402
from .checkpoint_files import convert_checkpoint, quantize_checkpoint  # noqa: E402
from .comparison import compare  # noqa: E402
from .config import product, set_product, show_config  # noqa: E402
from .inspection import inspect  # noqa: E402
from .loading import load_model  # noqa: E402
from .quantize import quantize_model  # noqa: E402
from .smoothing import smooth_model  # noqa: E402

_formats.install()

__version__: str = config.current()["version"]

__all__ = [
    "Calibration",
    "compare",
    "compat",
    "config",
    "convert_checkpoint",
    "inspect",
    "load_model",
    "nn",
    "ops",
    "product",
    "quantize_checkpoint",
    "quantize_model",
    "save_checkpoint",
    "set_product",
    "show_config",
    "smooth_model",
    "transformers",
]
