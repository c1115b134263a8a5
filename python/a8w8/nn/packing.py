"""Modules that hold their weight packed for the kernel that reads it."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from typing_extensions import Self

from .. import _formats, ops
from ._weight_copy import WeightCopy, weight_copy


class _Form(NamedTuple):
    """What the plain weight was, beside its values."""

    rows: int
    columns: int  # words if it holds int4
    dtype: torch.dtype
    parameter: bool
    blocks: bool  # in FRACTAL_NZ
    customize_dtype: int | None

    @classmethod
    def of(cls, weight: Tensor) -> Self:
        blocks = _formats.is_in_blocks(weight)
        customize_dtype = _formats.customize_dtype_of(weight) if blocks else None
        return cls(*weight.shape, weight.dtype, isinstance(weight, nn.Parameter), blocks, customize_dtype)

    def restore(self, weight: Tensor) -> Tensor:
        """The weight as it was: its format, and whether it is a Parameter."""
        if self.blocks:
            weight = ops.format_cast(weight, _formats.FRACTAL_NZ, customize_dtype=self.customize_dtype)
        return nn.Parameter(weight, requires_grad=False) if self.parameter else weight


class PackableWeight(nn.Module):
    """A module whose `weight`, int8 (n, k) or int32 words of eight int4 (n, k/8), can be packed (`ops.pack_weight`).

    A packed module gives the same bits, sooner, and holds one weight: int8 takes the memory it took. int4 takes twice
    that, one byte an element, so a single row of x takes longer where the weight comes from memory.

    |                         | plain                   | packed                                               |
    | weight                  | the Parameter or buffer | a copy of the plain weight, unpacked at each access  |
    | packed_weight           | None                    | uint8 bytes, a buffer that is not in state_dict      |
    | parameters(), buffers() | with weight             | with packed_weight, a buffer, instead of it          |
    | state_dict, pickle      | weight                  | weight, the same as from the plain module            |
    | load_state_dict         | copies, or assigns      | the same, and packs again                            |
    | deepcopy, .to(), ...    | copy and move weight    | copy and move packed_weight                          |

    `module.weight = w` and `module.weight.data = w` put the plain `w` in place of the packed weight. A change in place,
    such as `module.weight.fill_(0)`, only changes the copy; call `unpack_()` before it. So do before the module goes to
    another device than the CPU: the kernels there do not know packed weights. A graph that is exported from a packed
    module serves CPUs with the same kernel; a pickle serves all, for it has the plain weight, and packs that again
    where it is loaded.
    """

    # TorchScript would compile properties.
    __jit_unused_properties__ = ["weight", "is_packed"]

    packed_weight: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self._form: _Form | None = None
        self.register_buffer("packed_weight", None, persistent=False)

    @property
    def weight(self) -> Tensor:
        """The plain weight; of a packed module a copy, see the class."""
        plain = self._plain_weight()
        if plain is not None:
            return plain
        if self.packed_weight is None:
            raise AttributeError(f"{type(self).__name__} has no weight")
        return self._unpacked_values() if torch.compiler.is_compiling() else weight_copy(self._unpacked(), self)

    @property
    def is_packed(self) -> bool:
        """Whether the module holds its weight packed."""
        return self._packed_operand() is not None

    def pack_(self) -> Self:
        """Packs the weight and lets go of the plain one; nothing happens if it is packed.

        Raises:
            ValueError: the weight has batch dimensions.
            RuntimeError: the weight is neither int8 nor int32.
        """
        if not self.is_packed:
            self._pack(self.weight)
        return self

    def unpack_(self) -> Self:
        """Holds the plain weight again; nothing happens if the module is not packed."""
        if self.is_packed:
            self._slot()["weight"] = self._unpacked()
            self._forget_packed()
        return self

    def _slot(self) -> dict[str, Tensor | None]:
        """Where the plain weight is; its place there, and so in state_dict, stays while it is packed."""
        return self._parameters if "weight" in self._parameters else self._buffers

    def _plain_weight(self) -> Tensor | None:
        return self._slot().get("weight")

    def _packed_operand(self) -> Tensor | None:
        """The bytes for the op, unless the weight is plain.

        A plain weight in its place goes first, for functional_call lends a module one by putting it there.
        """
        packed = self._buffers["packed_weight"]
        return packed if packed is not None and self._plain_weight() is None else None

    def _pack(self, weight: Tensor) -> None:
        if weight.dim() != 2:
            raise ValueError(
                f"{type(self).__name__}.pack_: weight is of shape {tuple(weight.shape)}, allowed: (n, k); "
                "a batch of weights cannot be packed"
            )
        packed = ops.pack_weight(weight.detach())
        self._form = _Form.of(weight)
        self._buffers["packed_weight"] = packed
        self._slot()["weight"] = None

    def _unpacked(self) -> Tensor:
        """The plain weight as it was."""
        return self._form.restore(self._unpacked_values())

    def _unpacked_values(self) -> Tensor:
        rows, columns, dtype, *_ = self._form
        int4 = dtype == torch.int32
        return ops.unpack_weight(self.packed_weight, rows, columns * 8 if int4 else columns, int4)

    def _forget_packed(self) -> None:
        self._buffers["packed_weight"] = None
        self._form = None

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, WeightCopy):
            value.become_plain()
        super().__setattr__(name, value)
        if name == "weight":
            self._forget_packed()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if name == "weight":
            self._forget_packed()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Moves the packed weight, but leaves it bytes: `module.type(dtype)` casts buffers of every dtype."""
        packed = self.packed_weight
        super()._apply(fn, recurse)
        if packed is not None and self.packed_weight.dtype != packed.dtype:
            self._buffers["packed_weight"] = packed.to(self.packed_weight.device)
        return self

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        if self.is_packed:  # the weight is the first tensor of the module
            weight = self._unpacked()
            destination[prefix + "weight"] = weight if keep_vars else weight.detach()
        super()._save_to_state_dict(destination, prefix, keep_vars)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Loads into a plain weight, which is packed then."""
        packed, key = self.is_packed, prefix + "weight"
        if packed:
            self._slot()["weight"] = self._place_to_load_into()
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        if packed and key not in state_dict:
            self._slot()["weight"] = None
        elif packed:
            try:
                self._pack(self.weight)
            except (RuntimeError, ValueError) as error:  # a weight of another kind was assigned
                self._forget_packed()
                error_msgs.append(f'While packing "{key}": {error}')

    def _place_to_load_into(self) -> Tensor:
        try:
            return self._unpacked()  # which stays if the new weight is refused
        except RuntimeError:  # to_empty() has left no header
            form = self._form
            return form.restore(
                torch.empty(form.rows, form.columns, dtype=form.dtype, device=self.packed_weight.device)
            )

    def __getstate__(self) -> dict[str, Any]:
        """With the plain weight: the packed bytes mean nothing to another CPU or version."""
        state = self.__dict__.copy()
        if self.is_packed:
            state["_buffers"] = {**self._buffers, "packed_weight": None}
            slot = "_parameters" if self._slot() is self._parameters else "_buffers"
            state[slot] = {**state[slot], "weight": self._unpacked()}
            state["_form"], state["_pack_again"] = None, True
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({name: value for name, value in state.items() if name != "_pack_again"})
        if state.get("_pack_again", False):
            self.pack_()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copies the packed bytes as they are, or takes what `memo` has for them."""
        result = type(self).__new__(type(self))
        memo[id(self)] = result
        result.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return result


def pack_weights_(model: nn.Module) -> int:
    """Calls `pack_()` of each module of `model` that gains by it; of one under several names once.

    Weights of int4 stay as they are, since packed ones take twice the memory, and so do batches of weights (more than
    two dimensions), which cannot be packed.

    Returns:
        How many modules it packed.

    Raises:
        RuntimeError: a weight is neither int8 nor int32, by the name of the module.
    """
    count = 0
    for name, module in model.named_modules():
        if not isinstance(module, PackableWeight) or module.is_packed:
            continue
        if module.weight.dim() == 2 and module.weight.dtype != torch.int32:
            try:
                module.pack_()
            except RuntimeError as error:
                raise RuntimeError(f"{name}: {error}") from error
            count += 1
    return count
