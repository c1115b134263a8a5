"""Stands in for torchair where there is no NPU: its backend for torch.compile, for the quantized linear family."""

from torchair import configs, core, experimental, ge_concrete_graph
from torchair._backend import get_npu_backend
from torchair.configs.compiler_config import CompilerConfig
from torchair.core.utils import logger
from torchair.experimental.inference import use_internal_format_weight

from a8w8.compat._refusal import refuse

__all__ = [
    "CompilerConfig",
    "configs",
    "core",
    "experimental",
    "ge_concrete_graph",
    "get_npu_backend",
    "logger",
    "use_internal_format_weight",
]
__getattr__ = refuse(__name__)
