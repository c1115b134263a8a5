"""Where a quantized model loses precision, layer by layer."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ._batches import run_batches
from .nn.quantized_linear import QuantizedLinear


@dataclass(frozen=True)
class LayerRow:
    """How far one quantized layer is from its float original, both fed the original's inputs."""

    name: str
    sqnr_db: float  # 10 log10(sum y^2 / sum (y - y_quantized)^2); infinite where nothing differs
    cosine: float  # between all outputs of both, as two long vectors
    max_error: float


@dataclass(frozen=True)
class Comparison:
    """Rows by SQNR, worst first."""

    rows: list[LayerRow]

    def table(self, limit: int | None = None) -> str:
        """The rows, or the `limit` worst ones, as text in columns."""
        rows = self.rows[:limit]
        width = max(map(len, ("layer", *(row.name for row in rows))))
        lines = [f"{'layer':<{width}}  {'SQNR dB':>8}  {'cosine':>9}  {'max error':>10}"]
        lines += [f"{row.name:<{width}}  {row.sqnr_db:8.2f}  {row.cosine:9.6f}  {row.max_error:10.4g}" for row in rows]
        return "\n".join(lines)


def compare(reference: nn.Module, model: nn.Module, inputs: Iterable[Any], progress: bool = True) -> Comparison:
    """Runs `reference` on `inputs` and gives each quantized layer of `model` the very inputs of its original.

    So a row shows the error of that layer alone, not what earlier layers pass on.

    Args:
        reference: the float model.
        model: the same model with QuantizedLinear layers, from `quantize_model` or `load_model`.
        inputs: batches, passed as `quantize_model` passes them.
        progress: show a progress bar.

    Raises:
        ValueError: no quantized layers, a layer that `reference` does not have, or inputs that reach no such layer.
    """
    quantized = {name: module for name, module in model.named_modules() if isinstance(module, QuantizedLinear)}
    if not quantized:
        raise ValueError(f"model ({type(model).__name__}) holds no QuantizedLinear to compare")
    originals = dict(reference.named_modules())
    absent = [name for name in quantized if name not in originals]
    if absent:
        raise ValueError(f"reference ({type(reference).__name__}) lacks layers of model: {', '.join(absent)}")

    sums = {name: _Sums() for name in quantized}
    handles = [
        originals[name].register_forward_hook(
            lambda _module, args, output, name=name: sums[name].add(output, quantized[name](args[0]))
        )
        for name in quantized
    ]
    try:
        count = run_batches(reference, inputs, "Comparing", progress)
    finally:
        for handle in handles:
            handle.remove()
    rows = [total.row(name) for name, total in sums.items() if total.seen]
    if not rows:
        raise ValueError(f"inputs ({count} batches) reach none of the {len(quantized)} quantized layers")
    return Comparison(sorted(rows, key=lambda row: row.sqnr_db))


@dataclass
class _Sums:
    """Running float64 sums over all outputs of one layer."""

    seen: bool = False
    largest_error: float = 0.0
    sums: Tensor = field(default_factory=lambda: torch.zeros(4, dtype=torch.float64))  # y.y, q.q, y.q, (y-q).(y-q)

    def add(self, original: Tensor, quantized: Tensor) -> None:
        y, q = (tensor.detach().flatten().double() for tensor in (original, quantized))
        error = y - q
        self.sums += torch.stack([y @ y, q @ q, y @ q, error @ error])
        self.largest_error = max(self.largest_error, float(error.abs().max()))
        self.seen = True

    def row(self, name: str) -> LayerRow:
        signal, power, product, noise = self.sums.tolist()
        sqnr = math.inf if noise == 0 else 10 * math.log10(signal / noise) if signal > 0 else -math.inf
        cosine = product / math.sqrt(signal * power) if signal > 0 and power > 0 else float(signal == power)
        return LayerRow(name, sqnr, cosine, self.largest_error)
