"""What `weight` of a packed module gives: a tensor like any other, except that `.data = w` reaches the module.

Code written for torch_npu assigns weights so, and would otherwise assign to a tensor that nobody else has.
"""

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .. import _formats

if TYPE_CHECKING:
    from .packing import PackableWeight


class WeightCopy:
    """The part that is Python's; the classes below have PyTorch's."""

    _plain_type: type[Tensor]
    _module: "PackableWeight"
    _packed: Tensor  # what it is a copy of

    def become_plain(self) -> None:
        """An ordinary Parameter or Tensor from now on, the same object."""
        del self._module, self._packed
        self.__class__ = self._plain_type

    @property
    def data(self) -> Tensor:
        """As of every tensor."""
        return Tensor.data.__get__(self)

    @data.setter
    def data(self, value: Tensor) -> None:
        """Assigns, and becomes the weight of the module, unless that has another one meanwhile."""
        module, packed = self._module, self._packed
        self.become_plain()
        self.data = value
        if module.packed_weight is packed:
            module.weight = self

    def _plain_twin(self) -> Tensor:
        data = self.data
        return data if self._plain_type is Tensor else nn.Parameter(data, requires_grad=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return copy.deepcopy(self._plain_twin(), memo)

    def __reduce_ex__(self, protocol: int) -> Any:
        twin = self._plain_twin()
        return _formats.reduce(twin) if type(twin) is Tensor else twin.__reduce_ex__(protocol)


class _ParameterCopy(WeightCopy, nn.Parameter):
    _plain_type = nn.Parameter


class _TensorCopy(WeightCopy, Tensor):
    __torch_function__ = torch._C._disabled_torch_function_impl  # results of operations are plain tensors
    _plain_type = Tensor


_KINDS: dict[type, type[WeightCopy]] = {nn.Parameter: _ParameterCopy, Tensor: _TensorCopy}


def weight_copy(weight: Tensor, module: "PackableWeight") -> Tensor:
    """The unpacked weight of `module` as such a tensor; fake ones and those of other classes stay what they are."""
    kind = _KINDS.get(type(weight))
    if kind is None:
        return weight
    result = Tensor._make_subclass(kind, weight.detach(), weight.requires_grad)
    result._module, result._packed = module, module.packed_weight
    return result
