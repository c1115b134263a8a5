"""From a float model to one whose linear layers are int8."""

import copy
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from rich.progress import track
from torch import Tensor, nn

from ._batches import run_batches
from .nn.quantized_linear import QuantizedLinear, check_scheme


def quantize_model(
    model: nn.Module,
    scheme: str,
    calibration: Iterable[Any] | None = None,
    skip: Sequence[str] = (),
    progress: bool = True,
) -> nn.Module:
    """Returns a model in which each nn.Linear is a QuantizedLinear; `model` itself does not change.

    What stays float (embeddings, norms, skipped layers) is shared between both models, not copied. Subclasses of
    nn.Linear are left alone, since their owners may use the weight directly, and so are layers that share their weight
    with another module, such as an output layer tied to the embedding.

    Args:
        model: float32, bfloat16 or float16.
        scheme: "w8a8_dynamic" (a scale per row of input, found at run time) or "w8a8" (one scale per layer,
            calibrated).
        calibration: for "w8a8": inputs like those the model will see. Mappings are passed as model(**batch), tuples and
            lists as model(*batch), anything else as model(batch).
        skip: names of layers to leave float, or patterns with * and ?, such as "lm_head" or "*.pooler.*".
        progress: show progress bars.

    Raises:
        ValueError: an unknown scheme, calibration missing or given in vain, a pattern of `skip` that matches no layer,
            no layer to quantize, a layer that calibration does not reach or whose numbers are not finite.
    """
    check_scheme(scheme)
    if scheme == "w8a8" and calibration is None:
        raise ValueError(
            "calibration is None, but scheme 'w8a8' needs an iterable of model inputs to find input scales"
        )
    if scheme != "w8a8" and calibration is not None:
        raise ValueError(f"calibration is given, but scheme {scheme!r} takes none; did you mean 'w8a8'?")
    linears = _linears_to_quantize(model, skip)
    ranges = {} if calibration is None else _calibrate(model, linears, calibration, progress)

    result = _copy_sharing_tensors(model)
    replaced: dict[nn.Linear, QuantizedLinear] = {}  # a layer used under two names stays one layer
    for name, linear in track(linears.items(), description="Quantizing", disable=not progress):
        if linear not in replaced:
            replaced[linear] = _named(name, linear, scheme, ranges.get(linear))
        result.set_submodule(name, replaced[linear])
    return result


def _named(name: str, linear: nn.Linear, scheme: str, input_range: tuple[float, float] | None) -> QuantizedLinear:
    try:
        return QuantizedLinear.from_float(linear, scheme, input_range).train(linear.training)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _linears_to_quantize(model: nn.Module, skip: Sequence[str]) -> dict[str, nn.Linear]:
    owners: dict[Tensor, set[nn.Module]] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(parameter, set()).add(module)
    named = model.named_modules(remove_duplicate=False)
    linears = {name: module for name, module in named if name and type(module) is nn.Linear}

    for pattern in skip:
        if not any(fnmatchcase(name, pattern) for name in linears):
            raise ValueError(f"skip holds {pattern!r}, which matches none of the {len(linears)} linear layers")
    chosen = {
        name: linear
        for name, linear in linears.items()
        if not any(fnmatchcase(name, pattern) for pattern in skip) and len(owners[linear.weight]) == 1
    }
    if not chosen:
        raise ValueError(
            f"{type(model).__name__} holds no layer to quantize: {len(linears)} of type nn.Linear, all skipped or tied"
            if linears
            else f"{type(model).__name__} holds no nn.Linear; for a single layer use QuantizedLinear.from_float"
        )
    return chosen


def _calibrate(
    model: nn.Module, linears: dict[str, nn.Linear], batches: Iterable[Any], progress: bool
) -> dict[nn.Linear, tuple[float, float]]:
    """The smallest and largest input of each layer over all batches."""
    extremes: dict[nn.Linear, tuple[Tensor, Tensor]] = {}

    def observe(linear: nn.Linear, inputs: tuple[Tensor, ...]) -> None:
        if inputs[0].numel() > 0:
            low, high = torch.aminmax(inputs[0])
            least, largest = extremes.get(linear, (low, high))
            extremes[linear] = (
                torch.minimum(low, least),
                torch.maximum(high, largest),
            )  # a NaN stays and is refused later

    handles = [linear.register_forward_pre_hook(observe) for linear in dict.fromkeys(linears.values())]
    try:
        count = run_batches(model, batches, "Calibrating", progress)
    finally:
        for handle in handles:
            handle.remove()
    missed = [name for name, linear in linears.items() if linear not in extremes]
    if missed:
        examples = ", ".join(missed[:5]) + (", ..." if len(missed) > 5 else "")
        raise ValueError(
            f"calibration ({count} batches) did not reach {len(missed)} of {len(linears)} layers: {examples}; "
            "name them in `skip`, or calibrate with inputs that use them"
        )
    return {linear: (float(low), float(high)) for linear, (low, high) in extremes.items()}


def _copy_sharing_tensors(model: nn.Module) -> nn.Module:
    tensors = (*model.parameters(), *model.buffers())
    return copy.deepcopy(model, memo={id(tensor): tensor for tensor in tensors})
