"""Norms with a bias that their class does not have: outlier suppression gives one to RMSNorm."""

import functools
from typing import Any

import torch
from torch import Tensor, nn


def add_bias_(norm: nn.Module, bias: Tensor) -> None:
    """From now on `norm(x)` is what it was, plus `bias`, its new parameter.

    The norm stays the object it is and gets a class of its own, derived from the one it had. So its other attributes
    stay where model code looks for them, and state_dict has `weight` and `bias`, as checkpoints do.
    """
    norm.register_parameter("bias", nn.Parameter(bias, requires_grad=False))
    norm.__class__ = _with_bias(type(norm))


@functools.cache
def _with_bias(norm_class: type[nn.Module]) -> type[nn.Module]:
    class BiasedNorm(norm_class):
        bias: Tensor

        def forward(self, *args: Any, **kwargs: Any) -> Tensor:
            return super().forward(*args, **kwargs) + self.bias

        def __reduce_ex__(self, protocol: Any) -> Any:  # pickle cannot find the class, but its parent
            return _rebuild, (norm_class,), self.__dict__

    BiasedNorm.__name__ = BiasedNorm.__qualname__ = f"Biased{norm_class.__name__}"
    BiasedNorm.__module__ = norm_class.__module__
    return BiasedNorm


def _rebuild(norm_class: type[nn.Module]) -> nn.Module:
    biased = _with_bias(norm_class)
    return biased.__new__(biased)


def may_get_bias(module: nn.Module, bias: torch.Size) -> bool:
    """Whether it is a norm without bias whose weight has the shape of `bias`."""
    weight = getattr(module, "weight", None)
    return (
        "norm" in type(module).__name__.lower()
        and getattr(module, "bias", None) is None
        and isinstance(weight, Tensor)
        and weight.shape == bias
    )
