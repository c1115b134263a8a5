"""Running sums over pairs of tensors, in float64 and in pieces, so that memory does not grow with the tensors."""

import math

import torch
from torch import Tensor

_PIECE = 1 << 21  # elements: 16 MB in float64


class ErrorSums:
    """What SQNR, cosine and largest error of a tensor beside its reference are made of."""

    def __init__(self) -> None:
        self.elements = 0
        self.max_error = 0.0
        self._sums = torch.zeros(4, dtype=torch.float64)  # y.y, q.q, y.q, (y - q).(y - q)

    def add(self, reference: Tensor, other: Tensor) -> None:
        """Two tensors of the same shape and of any float dtypes."""
        all_y, all_q = reference.detach().flatten(), other.detach().flatten()
        for start in range(0, all_y.numel(), _PIECE):
            y, q = (tensor[start : start + _PIECE].double() for tensor in (all_y, all_q))
            error = y - q
            self._sums += torch.stack([y @ y, q @ q, y @ q, error @ error])
            largest = float(error.abs().max())
            self.max_error = largest if math.isnan(largest) else max(self.max_error, largest)
        self.elements += all_y.numel()

    @property
    def sqnr_db(self) -> float:
        """10 log10(sum y^2 / sum (y - q)^2); infinite where nothing differs."""
        signal, _, _, noise = self._sums.tolist()
        return math.inf if noise == 0 else 10 * math.log10(signal / noise) if signal > 0 else -math.inf

    @property
    def cosine(self) -> float:
        """Between all elements of both, as two long vectors."""
        signal, power, product, _ = self._sums.tolist()
        return product / math.sqrt(signal * power) if signal > 0 and power > 0 else float(signal == power)
