"""Which inputs a static layer is to expect: observers of calibration batches, in bounded memory and deterministic."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ._batches import run_batches

METHODS = ("minmax", "moving-average", "percentile")


@dataclass(frozen=True)
class Calibration:
    """How the range of a layer's inputs is found.

    Args:
        method: "minmax": the smallest and largest value of all batches. "moving-average": the extremes of each batch,
            averaged with weights that fall geometrically towards older batches. "percentile": without the rarest
            values, which are clipped.
        percentile: for "percentile": how many of all values are inside the range, in percent; half of the others is
            left out at each end, or, if `symmetric`, those of the largest magnitude.
        averaging: for "moving-average": the weight of the newest batch, 1 for the last batch alone.
        symmetric: the range is [-m, m], hence input_offset 0. None: as runtimes of the format expect it: asymmetric
            for "msmodelslim", symmetric for "compressed-tensors" (where vLLM-Ascend takes no zero points).

    Raises:
        ValueError: an unknown method, numbers out of range.
    """

    method: str = "minmax"
    percentile: float = 99.99
    averaging: float = 0.01
    symmetric: bool | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method is {self.method!r}, allowed: {', '.join(map(repr, METHODS))}")
        if not 50 < self.percentile <= 100:
            raise ValueError(f"percentile is {self.percentile}, allowed: above 50, at most 100")
        if not 0 < self.averaging <= 1:
            raise ValueError(f"averaging is {self.averaging}, allowed: above 0, at most 1")

    def is_symmetric(self, format: str) -> bool:
        """What `symmetric` means for layers of this format."""
        return format == "compressed-tensors" if self.symmetric is None else self.symmetric

    def observer(self, symmetric: bool) -> "Observer":
        """A new one, for one layer."""
        if self.method == "percentile":
            return Percentile(self.percentile, symmetric)
        return MinMax() if self.method == "minmax" else MovingAverage(self.averaging)


class Observer(ABC):
    """Sees the inputs of one layer, batch by batch, and tells their range."""

    @abstractmethod
    def add(self, x: Tensor) -> None:
        """One batch, of any shape, not empty."""

    @abstractmethod
    def range(self) -> tuple[float, float]:
        """Smallest and largest value to expect; (nan, nan) if a value was NaN."""


class MinMax(Observer):
    """The extremes of all batches."""

    def __init__(self) -> None:
        self._low = self._high = torch.tensor(0.0)
        self._seen = False

    def add(self, x: Tensor) -> None:
        """See Observer."""
        low, high = torch.aminmax(x)
        if self._seen:  # a NaN stays
            low, high = torch.minimum(low, self._low), torch.maximum(high, self._high)
        self._low, self._high, self._seen = low, high, True

    def range(self) -> tuple[float, float]:
        """See Observer."""
        return float(self._low), float(self._high)


class MovingAverage(Observer):
    """The extremes of each batch, averaged: a new batch counts `averaging`, all before it the rest."""

    def __init__(self, averaging: float) -> None:
        self._averaging = averaging
        self._range: tuple[float, float] | None = None

    def add(self, x: Tensor) -> None:
        """See Observer."""
        new = tuple(map(float, torch.aminmax(x)))
        old = new if self._range is None else self._range
        self._range = (self._step(old[0], new[0]), self._step(old[1], new[1]))

    def _step(self, old: float, new: float) -> float:
        return old + self._averaging * (new - old)

    def range(self) -> tuple[float, float]:
        """See Observer."""
        assert self._range is not None
        return self._range


class Percentile(Observer):
    """The range without the outermost values, from a histogram.

    Its 65536 bins are the upper halves of float32 numbers, that is, the bfloat16 numbers: the relative resolution is
    the same everywhere, whatever the data's scale, nothing is ever rebinned, and for bfloat16 models it is exact. A
    bound that falls into a bin of float32 or float16 values is the bin's outer edge.
    """

    _BINS = 1 << 16
    _POSITIVE = 1 << 15  # bins of positive numbers, by magnitude; those of negative ones follow

    def __init__(self, percentile: float, symmetric: bool) -> None:
        self._outside = (100 - percentile) / 100
        self._symmetric = symmetric
        self._counts = torch.zeros(self._BINS, dtype=torch.int64)
        self._extremes = MinMax()
        self._exact = True  # only bfloat16 so far

    def add(self, x: Tensor) -> None:
        """See Observer."""
        self._extremes.add(x)
        self._exact &= x.dtype == torch.bfloat16
        for part in x.detach().reshape(-1).split(1 << 20):  # the bins of a part take eight bytes a value
            bins = (part.float().view(torch.int32) >> 16).bitwise_and_(self._BINS - 1)
            self._counts += torch.bincount(bins, minlength=self._BINS)

    def range(self) -> tuple[float, float]:
        """See Observer."""
        low, high = self._extremes.range()
        if not (low > -torch.inf and high < torch.inf):
            return low, high  # NaN and infinity are for the caller to refuse
        positive, negative = self._counts[: self._POSITIVE], self._counts[self._POSITIVE :]
        count = int(self._counts.sum())
        if self._symmetric:
            bound = self._edge(positive + negative, 0, math.floor(count * self._outside + 1e-6))
            bound = min(bound, max(-low, high))
            return -bound, bound
        cut = math.floor(count * self._outside / 2 + 1e-6)
        top = self._edge(positive, int(negative.sum()), cut)
        bottom = -self._edge(negative, int(positive.sum()), cut)
        return max(bottom, low), min(top, high)

    def _edge(self, magnitudes: Tensor, others: int, cut: int) -> float:
        """The bound such that `cut` values are beyond it; 0 if the cut reaches the `others`, of the other sign."""
        up_to = torch.cumsum(magnitudes, 0) + others
        total = int(up_to[-1])
        if total - cut <= others:
            return 0.0
        bin = int(torch.searchsorted(up_to, total - cut))
        bits = torch.tensor(bin if self._exact else bin + 1, dtype=torch.int32) << 16
        return float(bits.view(torch.float32))


def calibrate(
    model: nn.Module,
    linears: dict[str, nn.Linear],
    batches: Iterable[Any],
    new_observer: Callable[[], Observer],
    progress: bool,
) -> dict[nn.Linear, tuple[float, float]]:
    """The range of each layer's inputs over all batches; ValueError for layers that these do not reach."""
    observers: dict[nn.Linear, Observer] = {}

    def observe(linear: nn.Linear, inputs: tuple[Tensor, ...]) -> None:
        if inputs[0].numel() > 0:
            observers.setdefault(linear, new_observer()).add(inputs[0])

    count = run_hooked(model, dict.fromkeys(linears.values(), observe), batches, "Calibrating", progress)
    missed = [name for name, linear in linears.items() if linear not in observers]
    if missed:
        examples = ", ".join(missed[:5]) + (", ..." if len(missed) > 5 else "")
        raise ValueError(
            f"calibration ({count} batches) did not reach {len(missed)} of {len(linears)} layers: {examples}; "
            "name them in `skip`, or calibrate with inputs that use them"
        )
    return {linear: observer.range() for linear, observer in observers.items()}


def run_hooked(
    model: nn.Module,
    hooks: Mapping[nn.Module, Callable[..., None]],
    batches: Iterable[Any],
    description: str,
    progress: bool,
) -> int:
    """Runs batches with pre-hooks (module, inputs) that are gone afterwards, whatever happens; how many batches."""
    handles = [module.register_forward_pre_hook(hook) for module, hook in hooks.items()]
    try:
        return run_batches(model, batches, description, progress)
    finally:
        for handle in handles:
            handle.remove()
