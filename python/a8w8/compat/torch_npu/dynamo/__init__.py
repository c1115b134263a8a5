"""torch_npu.dynamo: torchair, under the name that it has inside torch_npu."""

import importlib
from typing import Any

from a8w8.compat._refusal import refuse

_refuse = refuse(__name__)


def __getattr__(name: str) -> Any:
    """`torchair`, imported when first used; everything else is refused."""
    return importlib.import_module(f"{__name__}.torchair") if name == "torchair" else _refuse(name)
