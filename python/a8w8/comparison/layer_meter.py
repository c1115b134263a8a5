"""Measures one quantized layer on the inputs of its original, and takes its error apart by causes.

A layer is linear, so with W and b of the original, W' and b' of the quantized layer, and its input x seen as
x + rounding + clipping, its error is a sum:

    weight rounding      x . (W' - W)^T            all else exact
    activation rounding  rounding . W^T
    activation clipping  clipping . W^T            0 for scales found per token
    bias                 b' - b                    quant_bias is an integer
    rest                 what is left: products of two of the errors, rounding of the results to their dtype

Where smoothing has moved factors into W', x is divided by those of its columns and the result by those of its rows.
Each term is computed on its own in float64. Shares are of the sum of the terms' powers (sums of squares), over the
first few thousand rows of the inputs.
"""

import torch
from torch import Tensor, nn

from ..nn.quantized_linear import QuantizedLinear
from .layer_numbers import effective_bias, row_blocks, row_scales, seen_input
from .result import CAUSES, LayerRow
from .smoothing_factors import Factors, find_factors
from .sums import ErrorSums

_ROWS = 1024  # of an input at once
_CAUSE_ROWS = 4096  # of all inputs: enough for shares, and replaying costs several products in float64


class LayerMeter:
    """Feed it the original's inputs and outputs with `add`, then take the `row`."""

    def __init__(
        self, name: str, order: int, original: nn.Module, quantized: QuantizedLinear, norms: list[Tensor]
    ) -> None:
        self.name = name
        self.order = order
        self.errors = ErrorSums()
        self._quantized = quantized
        self._values = self._saturated = self._clipped = self._replayed_rows = 0
        self._powers = torch.zeros(len(CAUSES), dtype=torch.float64)
        self._original: nn.Linear | None = None  # None: not a layer whose error can be taken apart
        self._factors = Factors()
        if isinstance(original, nn.Linear) and original.weight.shape == (quantized.out_features, quantized.in_features):
            self._original = original
            self._scales = row_scales(quantized)
            weight = quantized.weight
            self._factors = find_factors(original.weight, self._scales, weight, norms)
            if self._factors.outputs is not None:
                self._scales = self._scales / self._factors.outputs[:, None]
            self._bias_error = self._difference_of_biases(weight)

    @property
    def seen(self) -> bool:
        """Whether any input came."""
        return self.errors.elements > 0

    def add(self, x: Tensor, y: Tensor) -> None:
        """x (..., k) and y (..., n), input and output of the original."""
        if x.numel() == 0:
            return
        if self._factors.inputs is not None:
            x = (x.detach().double() / self._factors.inputs).to(x.dtype)
        result = self._quantized(x)
        if self._factors.outputs is not None:
            result = result.float() / self._factors.outputs.float()
        self.errors.add(y, result)
        weight = self._quantized.weight  # of a packed layer a copy, made once a call
        rows = (tensor.detach().reshape(-1, tensor.shape[-1]).split(_ROWS) for tensor in (x, y, result))
        for x_rows, y_rows, result_rows in zip(*rows, strict=True):
            self._add_rows(x_rows, y_rows, result_rows, weight)

    def row(self) -> LayerRow:
        """The figures of all inputs together."""
        total = float(self._powers.sum())
        shares = dict(zip(CAUSES, (self._powers / total).tolist(), strict=True)) if total > 0 else {}
        return LayerRow(
            name=self.name,
            sqnr_db=self.errors.sqnr_db,
            cosine=self.errors.cosine,
            max_error=self.errors.max_error,
            scheme=self._quantized.scheme,
            out_features=self._quantized.out_features,
            in_features=self._quantized.in_features,
            order=self.order,
            saturated=self._saturated / max(1, self._values),
            clipped=self._clipped / max(1, self._values),
            causes=shares,
            smoothed=any(factors is not None for factors in self._factors),
        )

    def _difference_of_biases(self, weight: Tensor) -> Tensor:
        ours, theirs = effective_bias(self._quantized, weight), self._original.bias
        zero = torch.zeros(self._quantized.out_features, dtype=torch.float64)
        if ours is not None and self._factors.outputs is not None:
            ours = ours / self._factors.outputs
        return (zero if ours is None else ours) - (zero if theirs is None else theirs.detach().double())

    def _add_rows(self, x: Tensor, y: Tensor, result: Tensor, weight: Tensor) -> None:
        seen = seen_input(self._quantized, x)
        self._values += x.numel()
        self._saturated += seen.saturated
        self._clipped += seen.clipped
        if self._original is None or self._replayed_rows >= _CAUSE_ROWS:
            return
        self._replayed_rows += len(x)
        exact = x.double()
        for rows in row_blocks(*weight.shape):
            w = self._original.weight.detach()[rows].double()
            if self._factors.inputs is not None:
                w = w * self._factors.inputs
            zero = torch.zeros((), dtype=torch.float64)
            terms = [
                exact @ (weight[rows].double() * self._scales[rows] - w).T,
                seen.rounding @ w.T,
                zero if seen.clipping is None else seen.clipping @ w.T,
                self._bias_error[rows].expand(len(x), -1),
            ]
            terms.append(result[:, rows].double() - y[:, rows].double() - sum(terms))
            self._powers += torch.stack([term.square().sum() for term in terms])
