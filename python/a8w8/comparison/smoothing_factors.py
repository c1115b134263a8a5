"""Finds what smoothing has moved between the layers of a model, so that layers can be compared all the same.

SmoothQuant and its relatives divide the channels of an input by factors and multiply the columns of the weight by them.
The division goes into a norm before, or into the rows of a linear layer before. So a smoothed weight is the original's
with factors for its columns, or its rows, or both, and then rounded; and the layer wants other inputs, or gives other
outputs, than the original.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .layer_numbers import row_blocks

_ROUNDS = 6  # of alternating least squares; two would do for columns alone
_TELLING = 0.02  # factors that differ less from their median are none


class Factors(NamedTuple):
    """float64; None where there are none."""

    inputs: Tensor | None = None  # [k]: inputs are divided by them
    outputs: Tensor | None = None  # [n]: outputs are multiplied by them


def changed_norms(reference: nn.Module, model: nn.Module) -> list[Tensor]:
    """The quotients, float64, of the vectors under one name in both models that differ by more than one factor.

    Those of a smoothed norm are the factors of the layers that read it, exactly.
    """
    ours = {name: parameter for name, parameter in model.named_parameters() if parameter.dim() == 1}
    quotients = []
    for name, parameter in reference.named_parameters():
        other = ours.get(name)
        if other is None or other.shape != parameter.shape or not name.endswith("weight"):
            continue
        quotient = parameter.detach().double() / other.detach().double()
        if quotient.isfinite().all() and (quotient > 0).all() and _differ(quotient):
            quotients.append(quotient)
    return quotients


def find_factors(original: Tensor, scales: Tensor, weight: Tensor, norms: list[Tensor]) -> Factors:
    """Least squares: original[n, k] * outputs[n] * inputs[k] is nearest to scales[n] * weight[n, k].

    One common factor of everything is no smoothing, but an error that shall be seen. Where both kinds of factors are
    found, a constant could go to either; a changed norm settles it, or else the median of the outputs' is one.

    Args:
        original: a float weight [n, k].
        scales: float64 [n, 1] of the quantized weight.
        weight: int8 [n, k].
        norms: from `changed_norms`.
    """
    n, k = weight.shape
    fit = _Fit(original, scales, weight)
    rounding = float(scales.square().sum()) * k / 12  # the error that rounding makes, as a sum of squares
    before = fit.residual(torch.ones(n, dtype=torch.float64), fit.common() * torch.ones(k, dtype=torch.float64))
    if before <= 4 * rounding:
        return Factors()
    outputs = torch.ones(n, dtype=torch.float64)
    for _ in range(_ROUNDS):
        inputs = fit.inputs(outputs)
        outputs = fit.outputs(inputs)
    if fit.residual(outputs, inputs) > max(4 * rounding, before / 10):
        return Factors()  # another weight, whatever the reason
    inputs, outputs = inputs * outputs.median(), outputs / outputs.median()
    if not _differ(inputs):
        return Factors(outputs=_positive(outputs * inputs.median()))
    for norm in norms:
        if norm.shape == inputs.shape and not _differ(norm / inputs):
            inputs, outputs = norm, fit.outputs(norm)
            break
    return Factors(_positive(inputs), _positive(outputs) if _differ(outputs) else None)


class _Fit:
    """Sums over both weights, in pieces."""

    def __init__(self, original: Tensor, scales: Tensor, weight: Tensor) -> None:
        self._pieces = [
            (rows, original.detach()[rows], scales[rows], weight[rows]) for rows in row_blocks(*weight.shape)
        ]

    def _each(self):
        for rows, original, scales, weight in self._pieces:
            yield rows, original.double(), weight.double() * scales

    def common(self) -> float:
        pairs = [((w * q).sum(), (w * w).sum()) for _, w, q in self._each()]
        return float(sum(p for p, _ in pairs) / max(float(sum(d for _, d in pairs)), 1e-300))

    def inputs(self, outputs: Tensor) -> Tensor:
        sums = [((u * w * q).sum(dim=0), (u * w).square().sum(dim=0))
                for rows, w, q in self._each() for u in (outputs[rows, None],)]  # fmt: skip
        return _quotient(sum(p for p, _ in sums), sum(d for _, d in sums))

    def outputs(self, inputs: Tensor) -> Tensor:
        sums = [((w * inputs * q).sum(dim=1), (w * inputs).square().sum(dim=1)) for _, w, q in self._each()]
        return _quotient(torch.cat([p for p, _ in sums]), torch.cat([d for _, d in sums]))

    def residual(self, outputs: Tensor, inputs: Tensor) -> float:
        return float(sum((q - outputs[rows, None] * w * inputs).square().sum() for rows, w, q in self._each()))


def _quotient(product: Tensor, power: Tensor) -> Tensor:
    """Least squares of single factors; where there is next to nothing to measure, the median of the others."""
    factors = product / power.clamp_min(1e-300)
    telling = (power > 1e-4 * power.mean()) & (factors > 0)
    return torch.where(telling, factors, factors[telling].median() if telling.any() else 1.0)


def _differ(factors: Tensor) -> bool:
    """Whether at least every tenth factor is off the median by more than rounding of weights makes it."""
    return float(((factors / factors.median() - 1).abs() > _TELLING).double().mean()) > 0.1


def _positive(factors: Tensor) -> Tensor:
    return torch.where(factors > 0, factors, 1.0)
