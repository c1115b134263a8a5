"""SmoothQuant: moves outlier channels of a layer's inputs into its weights, where they do less harm.

Channel j of the input is divided by s_j and column j of the weight multiplied by it. The division costs nothing at run
time, since it goes into what makes the input: a norm, or a linear layer of which the input is a product.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from ._folding import Fold, fold_for
from ._model_copy import copy_sharing_tensors
from ._readers import Readers, find_readers
from ._smoothing_check import outputs_differ
from .calibration import run_hooked


@dataclass(frozen=True)
class Smoothing:
    """What `smooth_model` did. str() gives it in a few lines."""

    alpha: float
    smoothed: dict[str, tuple[str, ...]]  # norm or linear that divides -> linears that read it
    left: dict[str, str]  # layer to quantize that is not smoothed -> why

    def __str__(self) -> str:
        smoothed = Counter(_pattern(name) for layers in self.smoothed.values() for name in layers)
        lines = [f"Smoothed with alpha {self.alpha:g}: {smoothed.total()} layers; {len(self.left)} stay as they are"]
        lines += [f"  smoothed  {name} ({count})" for name, count in smoothed.items()]
        return "\n".join([*lines, *(f"  stays     {line}" for line in self.reasons())])

    def reasons(self) -> list[str]:
        """What stays as it is and why, a line for each kind of layer."""
        left = Counter((_pattern(name), _pattern(why)) for name, why in self.left.items())
        return [f"{name} ({count}): {why}" for (name, why), count in left.items()]


@dataclass(frozen=True)
class _Group:
    source: str
    fold: Fold
    linears: tuple[str, ...]


@torch.no_grad()
def smooth_model(
    model: nn.Module,
    calibration: Iterable[Any],
    alpha: float = 0.5,
    *,
    layers: Sequence[str] | None = None,
    progress: bool = True,
) -> tuple[nn.Module, Smoothing]:
    """Returns a float model that computes what `model` does, with smoother inputs of its linear layers, and a report.

    Channel j of an input is divided by s_j = max|x_j|^alpha / max|w_j|^(1 - alpha), over all batches and layers that
    read it. That is done where the input comes from a norm with a weight for each channel, or is a product with the
    output of a linear layer, and nobody but linear layers reads it; which is found by running the first batch, and
    proven by running it again with other factors, powers of two, which must not change the model's outputs.

    `model` itself does not change. What is not smoothed is shared between both models.

    Args:
        model: float32, bfloat16 or float16.
        calibration: batches as of `quantize_model`, at least one.
        alpha: 0 to 1: how much of the difference between channels goes into the weights.
        layers: names of the nn.Linear layers that are to be quantized later; others change only along with these.
            None: all.
        progress: show a progress bar.

    Raises:
        ValueError: alpha out of range, no batch, nothing that could be smoothed (with the reasons), inputs that are not
            finite.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}, allowed: 0 to 1")
    batches = list(calibration) if isinstance(calibration, Iterator) else calibration
    first = next(iter(batches), None)
    if first is None:
        raise ValueError("calibration holds no batch, but smoothing needs inputs to find outlier channels")
    named = {name: module for name, module in model.named_modules() if type(module) is nn.Linear}
    wanted = list(named if layers is None else layers)
    groups, left = _find_groups(model, wanted, first)
    groups = _proven(model, groups, first, left)
    if not groups:
        reasons = "\n  ".join(Smoothing(alpha, {}, left).reasons())
        raise ValueError(f"{type(model).__name__} holds nothing that can be smoothed:\n  {reasons}")

    largest = _largest_inputs(model, groups, batches, progress)

    def factors(group: _Group, linears: list[nn.Linear]) -> Tensor:
        if not largest[group].isfinite().all():
            raise ValueError(f"{group.linears[0]}: its inputs hold NaN or infinity, allowed: finite values")
        columns = torch.stack([linear.weight.abs().amax(dim=0).float() for linear in linears]).amax(dim=0)
        quotient = largest[group].pow(alpha) / columns.pow(1 - alpha)
        # A channel without inputs or without weights is as good with any factor.
        return torch.where((largest[group] > 0) & (columns > 0), quotient.clamp(1e-4, 1e4), 1.0)

    result = _folded(model, groups, factors)
    return result, Smoothing(alpha, {group.source: group.linears for group in groups}, left)


def _find_groups(model: nn.Module, wanted: list[str], batch: Any) -> tuple[list[_Group], dict[str, str]]:
    """What can be smoothed together, and for each other layer that is wanted the reason why not."""
    names = {module: name for name, module in model.named_modules()}
    modules = [module for module in names if module is not model]
    folds = {module: fold for module in modules if (fold := fold_for(module)) is not None}
    owners = Counter(id(parameter) for module in modules for parameter in module.parameters(recurse=False))
    readers = find_readers(model, folds, batch)

    groups: list[_Group] = []
    problems: dict[nn.Linear, str] = {}
    quantized = {model.get_submodule(name) for name in wanted}
    for source, linears in readers.linears.items():
        problem = _problem(source, linears, readers, owners, names)
        if problem is not None:
            problems.update(dict.fromkeys(linears, problem))
        elif linears & quantized:
            members = [name for name, module in model.named_modules() if module in linears]
            groups.append(_Group(names[source], folds[source], tuple(members)))
    grouped = set(chain.from_iterable(group.linears for group in groups))
    default = "its input is not the output of a norm, nor a product with that of a linear layer"
    return groups, {name: problems.get(model.get_submodule(name), default) for name in wanted if name not in grouped}


def _problem(
    source: nn.Module,
    linears: set[nn.Linear],
    readers: Readers,
    owners: Counter[int],
    names: dict[nn.Module, str],
) -> str | None:
    if source in readers.others:
        return f"{names[source]} is also read by {readers.others[source]}"
    for module in (source, *linears):
        if any(owners[id(parameter)] > 1 for parameter in module.parameters(recurse=False)):
            return f"{names[module]} shares its weight with another module"
    for linear in linears:
        if readers.sources[linear] != {source}:
            return f"{names[linear]} reads more than {names[source]}"
    return None


def _proven(model: nn.Module, groups: list[_Group], batch: Any, left: dict[str, str]) -> list[_Group]:
    """The groups that can be folded without a change of the model's outputs; reasons for the others go to `left`."""
    if not groups or not outputs_differ(model, _folded(model, groups, _powers_of_two), batch):
        return groups
    proven = []
    for group in groups:  # rare: something reads a tensor in a way that cannot be seen
        if outputs_differ(model, _folded(model, [group], _powers_of_two), batch):
            left.update(dict.fromkeys(group.linears, f"outputs change if {group.source} is divided"))
        else:
            proven.append(group)
    return proven


def _powers_of_two(group: _Group, linears: list[nn.Linear]) -> Tensor:
    """1/2, 1 and 2 in turn: no rounding anywhere."""
    return 2.0 ** (torch.arange(linears[0].in_features) % 3 - 1)


def _largest_inputs(
    model: nn.Module, groups: list[_Group], batches: Iterable[Any], progress: bool
) -> dict[_Group, Tensor]:
    """The largest magnitude in each channel over all batches, float32."""
    largest: dict[_Group, Tensor] = {}

    def observe(group: _Group, inputs: tuple[Tensor, ...]) -> None:
        if inputs[0].numel() > 0:
            found = inputs[0].abs().flatten(0, -2).amax(dim=0).float()
            largest[group] = torch.maximum(largest.get(group, found), found)

    hooks = {
        model.get_submodule(group.linears[0]): lambda _module, inputs, group=group: observe(group, inputs)
        for group in groups
    }
    run_hooked(model, hooks, batches, "Finding outliers", progress)
    return largest


def _folded(model: nn.Module, groups: list[_Group], factors: Callable[[_Group, list[nn.Linear]], Tensor]) -> nn.Module:
    """A copy that divides at each source and multiplies in its readers."""
    result = copy_sharing_tensors(model)
    # Linears that divide come first, since norms then see the rows that they have divided.
    for group in sorted(groups, key=lambda group: not group.fold.is_linear):
        linears = [result.get_submodule(name) for name in group.linears]
        divided = group.fold.divide(result.get_submodule(group.source), factors(group, linears))
        for name, linear in zip(group.linears, linears, strict=True):
            weight = (linear.weight.float() * divided).to(linear.weight.dtype)
            if not weight.isfinite().all():
                raise ValueError(
                    f"{name}: its weight leaves {weight.dtype} when smoothed; smooth it in bfloat16 or float32"
                )
            linear.weight = nn.Parameter(weight, requires_grad=linear.weight.requires_grad)
    return result


def _pattern(name: str) -> str:
    return re.sub(r"\.\d+\.", ".*.", name)
