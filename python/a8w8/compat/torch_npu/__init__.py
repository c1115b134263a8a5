"""Stands in for torch_npu where there is no NPU: its quantized linear family, on the CPU."""

import importlib
from typing import Any

import torch
from torch_npu import _C, contrib, npu, utils  # noqa: F401 - _C is found as an attribute
from torch_npu._format import Format, get_npu_format

import a8w8  # loads the op library
from a8w8.compat._refusal import refuse, refuse_call

__version__ = f"{torch.__version__.partition('+')[0]}+a8w8.{a8w8.__version__}"

# Dtypes that PyTorch lacks, by torch_npu's numbers: for arguments such as output_dtype. No op here computes with them.
int4 = 285
hifloat8 = 290
float8_e8m0fnu = 293
float4_e2m1fn_x2 = 296
float4_e1m2fn_x2 = 297

_OPS = (
    "_npu_format_cast",
    "npu_convert_weight_to_int4pack",
    "npu_dynamic_quant",
    "npu_format_cast",
    "npu_format_cast_",
    "npu_quant_matmul",
    "npu_quantize",
    "npu_trans_quant_param",
)
# transformers imports these wherever there is a torch_npu, needed or not. To call them is an error.
_ONLY_IMPORTED = ("npu_fusion_attention", "npu_rotary_mul")
_SUBMODULES = ("dynamo", "testing")  # imported when first used

__all__ = [
    "Format",
    "contrib",
    "float4_e1m2fn_x2",
    "float4_e2m1fn_x2",
    "float8_e8m0fnu",
    "get_npu_format",
    "hifloat8",
    "int4",
    "npu",
    "utils",
]

_refuse = refuse(__name__)


def __getattr__(name: str) -> Any:
    """The ops are those of `torch.ops.npu`, the same objects; unknown names are refused."""
    if name in _OPS and hasattr(torch.ops.npu, name):
        return globals().setdefault(name, getattr(torch.ops.npu, name))
    if name in _ONLY_IMPORTED:
        return globals().setdefault(name, refuse_call(f"torch_npu.{name}"))
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    return _refuse(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_OPS, *_SUBMODULES})
