"""Feeds both models and listens to their layers."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .._batches import run_batches
from ..nn.quantized_linear import QuantizedLinear
from .ends import EndMeter
from .layer_meter import LayerMeter
from .result import Comparison
from .smoothing_factors import changed_norms


@torch.no_grad()
def compare(
    reference: nn.Module,
    model: nn.Module,
    inputs: Iterable[Any],
    progress: bool = True,
    end_to_end: bool = True,
    about: dict[str, str] | None = None,
) -> Comparison:
    """Runs `reference` on `inputs` and gives each quantized layer of `model` the very inputs of its original.

    So a row shows the error of that layer alone, not what earlier layers pass on. A layer whose weight was smoothed
    (SmoothQuant) is given these inputs divided by its factors. `model` itself runs on `inputs` as well, and its output
    is compared with the reference's. Statistics are in float64, and memory does not grow with the number of inputs.

    Args:
        reference: the float model: float32, bfloat16 or float16.
        model: the same model with QuantizedLinear layers, from `quantize_model` or `load_model`.
        inputs: batches, passed as `quantize_model` passes them. Positions where a batch's "attention_mask" is 0 do not
            count in what comes out of the models.
        progress: show a progress bar.
        end_to_end: run `model` as well; False saves that time.
        about: notes that the result's summary, JSON and page show.

    Raises:
        ValueError: no quantized layers, a layer that `reference` does not have, or inputs that reach no such layer.
    """
    meters = _meters(reference, model)
    ends = EndMeter()
    handles = [
        module.register_forward_hook(_listener(meters[name]), with_kwargs=True)
        for name, module in reference.named_modules(remove_duplicate=False)
        if name in meters
    ]
    try:
        both = _SideBySide(reference, model if end_to_end else None, ends)
        count = run_batches(both, inputs, "Comparing", progress)
    finally:
        for handle in handles:
            handle.remove()
    rows = [meter.row() for meter in meters.values() if meter.seen]
    if not rows:
        raise ValueError(f"inputs ({count} batches) reach none of the {len(meters)} quantized layers")
    return Comparison(sorted(rows, key=lambda row: row.sqnr_db), ends.result(), about or {})


class _SideBySide(nn.Module):
    """Two models as one, so that both are fed alike."""

    def __init__(self, reference: nn.Module, model: nn.Module | None, ends: EndMeter) -> None:
        super().__init__()
        self.reference = reference
        self.model = model
        self._ends = ends

    def forward(self, *args: Any, **kwargs: Any) -> None:
        expected = self.reference(*args, **kwargs)
        if self.model is not None:
            self._ends.add(kwargs, expected, self.model(*args, **kwargs))


def _meters(reference: nn.Module, model: nn.Module) -> dict[str, LayerMeter]:
    quantized = {name: module for name, module in model.named_modules() if isinstance(module, QuantizedLinear)}
    if not quantized:
        raise ValueError(f"model ({type(model).__name__}) holds no QuantizedLinear to compare")
    originals = dict(reference.named_modules(remove_duplicate=False))
    absent = [name for name in quantized if name not in originals]
    if absent:
        raise ValueError(f"reference ({type(reference).__name__}) lacks layers of model: {', '.join(absent)}")
    for name, layer in quantized.items():
        shape, ours = getattr(getattr(originals[name], "weight", None), "shape", None), layer.weight.shape
        if isinstance(originals[name], nn.Linear) and shape != ours:
            raise ValueError(
                f"{name}: weight is {tuple(shape)} in reference, {tuple(ours)} in model; they are different models"
            )
    norms = changed_norms(reference, model)
    return {
        name: LayerMeter(name, order, originals[name], layer, norms)
        for order, (name, layer) in enumerate(quantized.items())
    }


def _listener(meter: LayerMeter) -> Callable[..., None]:
    def listen(_module: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor], output: Tensor) -> None:
        meter.add(args[0] if args else next(iter(kwargs.values())), output)

    return listen
