"""Modules whose output channels can be divided by changing their parameters: norms, and linear layers."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call


@dataclass(frozen=True)
class Fold:
    """How a kind of module is divided: its weight is a factor, or 1 + weight is (`plus` = 1), or it is an nn.Linear."""

    plus: float = 0.0
    is_linear: bool = False

    def divided(self, module: nn.Module, factors: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """New parameters, in the dtypes of the old ones, and the factors by which they really divide.

        A weight is rounded after the division. Of a norm, what follows can make up for that: it takes the quotient of
        the old and the new weight for the factor.
        """
        weight = module.weight
        column = factors[:, None] if self.is_linear else factors
        new = ((weight.float() + self.plus) / column - self.plus).to(weight.dtype)
        if not self.is_linear:
            rounded = new.float() + self.plus
            factors = torch.where(rounded != 0, (weight.float() + self.plus) / rounded, factors)
            factors = torch.where(factors > 0, factors, column)  # a weight of 0 stays 0
        parameters = {"weight": new}
        if getattr(module, "bias", None) is not None:
            parameters["bias"] = (module.bias.float() / factors).to(module.bias.dtype)
        return parameters, factors

    def divide(self, module: nn.Module, factors: Tensor) -> Tensor:
        """Puts the new parameters in; returns the factors by which they really divide."""
        parameters, factors = self.divided(module, factors)
        for name, tensor in parameters.items():
            old = getattr(module, name)
            setattr(module, name, nn.Parameter(tensor, requires_grad=old.requires_grad))
        return factors


def fold_for(module: nn.Module) -> Fold | None:
    """How to divide this module's outputs, None if it is not known how.

    Norms go by many class names and differ in what they do with their weight, so they are tried: one with other
    parameters must give exactly the other outputs.
    """
    if type(module) is nn.Linear:
        return Fold(is_linear=True)
    parameters = dict(module.named_parameters(recurse=False))
    weight = parameters.get("weight")
    if weight is None or weight.dim() != 1 or not parameters.keys() <= {"weight", "bias"} or [*module.children()]:
        return None
    return next((fold for fold in (Fold(), Fold(plus=1.0)) if _divides(module, fold)), None)


@torch.no_grad()
def _divides(module: nn.Module, fold: Fold) -> bool:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, module.weight.numel(), generator=generator).to(module.weight.dtype)
    factors = 2.0 ** torch.randint(-1, 2, (module.weight.numel(),), generator=generator)
    parameters, factors = fold.divided(module, factors)
    try:
        expected, found = module(x), functional_call(module, parameters, (x,))
    except Exception:  # whatever it is, it does not take a tensor alone, so it is no norm
        return False
    if not (isinstance(expected, Tensor) and expected.shape == x.shape and expected.isfinite().all()):
        return False
    error = (found.float() * factors - expected.float()).abs().max()
    return bool(error <= 4 * torch.finfo(expected.dtype).eps * expected.float().abs().max())
