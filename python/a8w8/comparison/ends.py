"""What comes out of both models: logits or hidden states, without padding."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from .sums import ErrorSums

_KINDS = ("logits", "last_hidden_state")


@dataclass(frozen=True)
class EndToEnd:
    """How far the whole model's output is from the float model's, both fed the same inputs."""

    output: str  # "logits", "last_hidden_state", or "output" where the model does not name it
    positions: int  # vectors compared: tokens without padding
    sqnr_db: float
    cosine: float
    max_error: float
    top1_agreement: float | None = None  # of logits: the share of positions where the largest one is the same
    embedding_cosine: float | None = None  # of hidden states: of each text's mean vector, the mean over texts ...
    worst_embedding_cosine: float | None = None  # ... and the least


def main_output(output: Any) -> tuple[str, Tensor] | None:
    """What a model is for, and its name; None if there is no float tensor."""
    if isinstance(output, Tensor):
        return ("output", output) if output.is_floating_point() else None
    values = dict(output) if isinstance(output, Mapping) else {}
    for kind in _KINDS:
        if isinstance(values.get(kind), Tensor):
            return kind, values[kind]
    candidates = values.values() if values else output if isinstance(output, tuple | list) else ()
    for candidate in candidates:
        if isinstance(candidate, Tensor):
            return main_output(candidate)
    return None


class EndMeter:
    """Feed it batches with both outputs, then take the `result`."""

    def __init__(self) -> None:
        self._kind: str | None = None
        self._errors = ErrorSums()
        self._positions = self._agreeing = 0
        self._cosines: list[Tensor] = []

    def add(self, batch: Any, reference: Any, other: Any) -> None:
        """A batch, and what both models make of it."""
        right, got = main_output(reference), main_output(other)
        if right is None or got is None or right[1].shape != got[1].shape or right[1].dim() == 0:
            return
        self._kind, y = right
        q = got[1]
        mask = _mask_for(batch, y)
        if self._kind == "last_hidden_state" and y.dim() == 3:
            self._cosines.append(cosine_similarity(_pooled(y, mask), _pooled(q, mask), dim=-1))
        y, q = (tensor.detach()[mask] if mask is not None else tensor.detach().flatten(0, -2) for tensor in (y, q))
        self._errors.add(y, q)
        rows = y.numel() // max(1, y.shape[-1])
        self._positions += rows
        if self._kind == "logits":
            self._agreeing += int((y.argmax(dim=-1) == q.argmax(dim=-1)).sum())

    def result(self) -> EndToEnd | None:
        """None if the models give no tensors that can be compared."""
        if self._kind is None or self._positions == 0:
            return None
        cosines = torch.cat(self._cosines) if self._cosines else None
        return EndToEnd(
            output=self._kind,
            positions=self._positions,
            sqnr_db=self._errors.sqnr_db,
            cosine=self._errors.cosine,
            max_error=self._errors.max_error,
            top1_agreement=self._agreeing / self._positions if self._kind == "logits" else None,
            embedding_cosine=None if cosines is None else float(cosines.mean()),
            worst_embedding_cosine=None if cosines is None else float(cosines.min()),
        )


def _mask_for(batch: Any, output: Tensor) -> Tensor | None:
    mask = batch.get("attention_mask") if isinstance(batch, Mapping) else None
    if not isinstance(mask, Tensor) or mask.dim() != 2 or output.dim() != 3 or mask.shape != output.shape[:2]:
        return None
    return mask.bool()


def _pooled(hidden: Tensor, mask: Tensor | None) -> Tensor:
    """The mean over the tokens of each text, float64 (texts, h)."""
    weights = torch.ones(hidden.shape[:2]) if mask is None else mask
    weights = weights.double().unsqueeze(-1)
    return (hidden.detach().double() * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1)
