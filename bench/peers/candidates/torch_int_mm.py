"""PyTorch's bare integer product."""

from typing import Any

import torch

from peers.candidates.base import Call, Candidate
from peers.operands import Activations, Weights


class IntMm(Candidate):
    """`torch._int_mm`: int8 x int8 to int32 sums, no scales. The weight as stored, or as a (k, n) copy."""

    name = "_int_mm"
    takes = "int8"
    gives = "sums"
    tolerance = 0.0

    def __init__(self) -> None:
        self.version = torch.__version__

    def pack(self, weights: Weights, threads: int) -> Any:
        return [weights.q.t(), weights.q.t().contiguous()]

    def prepare(self, packed: list[torch.Tensor], x: Activations, threads: int) -> list[Call]:
        return [Call(lambda weight=weight: torch._int_mm(x.q, weight)) for weight in packed]
