"""The numbers that all candidates multiply, and the exact answer.

One linear in three dresses: int8 rows with a scale each, the same as float32, the same as bfloat16. So every candidate,
whatever it takes, computes the same product, and one answer judges all of them.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

CHECKED_ROWS = 64


@dataclass(frozen=True)
class Weights:
    """q (n, k) int8 as checkpoints store it, scale (n,) float32: the float weight is q * scale[:, None]."""

    q: Tensor
    scale: Tensor

    @staticmethod
    def random(n: int, k: int, seed: int) -> "Weights":
        generator = torch.Generator().manual_seed(seed)
        q = torch.randint(-127, 128, (n, k), dtype=torch.int8, generator=generator)
        return Weights(q, 1e-4 + 1e-4 * torch.rand(n, generator=generator))

    @property
    def n(self) -> int:
        return self.q.shape[0]

    @property
    def k(self) -> int:
        return self.q.shape[1]

    def float32(self) -> Tensor:
        return self.q * self.scale[:, None]


@dataclass(frozen=True)
class Activations:
    """q (m, k) int8, token_scale (m,) float32: the float input is q * token_scale[:, None]."""

    q: Tensor
    token_scale: Tensor

    @staticmethod
    def random(m: int, k: int, seed: int = 1) -> "Activations":
        generator = torch.Generator().manual_seed(seed)
        q = torch.randint(-127, 128, (m, k), dtype=torch.int8, generator=generator)
        return Activations(q, 0.01 + 0.01 * torch.rand(m, generator=generator))

    @property
    def m(self) -> int:
        return self.q.shape[0]

    @cached_property
    def float32(self) -> Tensor:
        return self.q * self.token_scale[:, None]

    @cached_property
    def bfloat16(self) -> Tensor:
        return self.float32.bfloat16()


class Answer:
    """The exact product of some rows of x with all of the weights."""

    def __init__(self, x: Activations, weights: Weights) -> None:
        step = max(1, x.m // CHECKED_ROWS)
        self._rows = torch.unique(torch.cat([torch.arange(0, x.m, step)[:CHECKED_ROWS], torch.tensor([x.m - 1])]))
        # Exact: |sum| <= 127 * 127 * k is far below the 2^53 that float64 counts to.
        sums = x.q[self._rows].double() @ weights.q.double().T
        scaled = sums * weights.scale.double()
        self._exact = {
            "sums": sums,
            "scaled": scaled,
            "result": scaled * x.token_scale[self._rows].double()[:, None],
        }

    def error(self, answer: Tensor, gives: str) -> float:
        """Relative error over the rows, as a norm. `gives` says what the candidate computes: see `Candidate`."""
        exact = self._exact[gives]
        return float((answer[self._rows].double() - exact).norm() / exact.norm())
