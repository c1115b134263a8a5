"""Carries FRACTAL_NZ through copying and pickling, where Python makes a new storage from the bytes of an old one.

How a tensor remembers its format is the op library's business (adapters/torch/storage_format.cpp); here the format is
only asked for, and given back to the copy. Views, `.data`, Parameters, state_dict and `clone()` need no help.
"""

import copyreg
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

FRACTAL_NZ = 29
_INT32 = 3  # customize_dtype of blocks eight columns wide


def is_in_blocks(tensor: Tensor) -> bool:
    """Whether it is an ordinary CPU tensor in FRACTAL_NZ."""
    plain = type(tensor) in (Tensor, torch.nn.Parameter) and tensor.device.type == "cpu"
    return plain and tensor.layout == torch.strided and torch.ops.npu.get_npu_format(tensor) == FRACTAL_NZ


def customize_dtype_of(tensor: Tensor) -> int | None:
    """What a cast of another tensor into blocks like those of this one is to be told."""
    return _INT32 if torch.ops.a8w8.format_c0(tensor) == 8 else None


def _cast_in_place(tensor: Tensor, customize_dtype: int | None) -> None:
    torch.ops.npu.npu_format_cast_(tensor.detach(), FRACTAL_NZ, customize_dtype=customize_dtype)


def restore(rebuild: Callable[..., Tensor], arguments: tuple[Any, ...], customize_dtype: int | None) -> Tensor:
    """What a pickled tensor in FRACTAL_NZ is rebuilt by: as a plain one, whose storage then gets the format back."""
    tensor = rebuild(*arguments)
    _cast_in_place(tensor, customize_dtype)
    return tensor


def reduce(tensor: Tensor) -> Any:
    """Tensors are pickled as ever; for those in FRACTAL_NZ the format is noted beside the bytes of their storage."""
    reduced = tensor.__reduce_ex__(2)
    return (restore, (*reduced[:2], customize_dtype_of(tensor)), *reduced[2:]) if is_in_blocks(tensor) else reduced


_deepcopy = Tensor.__deepcopy__


def _deepcopy_with_format(self: Tensor, memo: dict) -> Tensor:
    copy = _deepcopy(self, memo)
    if is_in_blocks(self) and not is_in_blocks(copy):
        _cast_in_place(copy, customize_dtype_of(self))
    return copy


def install() -> None:
    """Teaches pickle, torch.save, torch.load(weights_only=True) and copy.deepcopy; once, when a8w8 is imported."""
    if Tensor.__deepcopy__ is _deepcopy_with_format:
        return
    copyreg.pickle(Tensor, reduce)
    torch.serialization.add_safe_globals([restore])
    Tensor.__deepcopy__ = _deepcopy_with_format  # type: ignore[method-assign]
