"""The error for names that torch_npu and torchair have and this layer does not."""

from collections.abc import Callable
from typing import Any, NoReturn

SCOPE = (
    "This is a8w8's stand-in, which covers the quantized linear family: npu_quant_matmul, npu_trans_quant_param, "
    "npu_quantize, npu_dynamic_quant, npu_format_cast, npu_convert_weight_to_int4pack, LinearA8W8Quant, LinearQuant, "
    "and what their scripts and tests import"
)


def refuse(module: str) -> Callable[[str], NoReturn]:
    """The `__getattr__` of a module: AttributeError for everything that the module does not define."""

    def __getattr__(name: str) -> NoReturn:
        raise AttributeError(f"module {module!r} has no attribute {name!r}. {SCOPE}.")

    return __getattr__


def refuse_call(function: str) -> Callable[..., NoReturn]:
    """A function that other packages import without need: RuntimeError when it is called."""

    def refused(*args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(f"{function} does not run here. {SCOPE}.")

    return refused
