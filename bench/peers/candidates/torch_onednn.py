"""oneDNN through PyTorch: the op that PyTorch's compiler puts into quantized graphs."""

from typing import Any

import torch

from peers.candidates.base import Call, Candidate
from peers.operands import Activations, Weights


class _OneDnn(Candidate):
    takes = "int8"
    gives = "scaled"
    tolerance = 0.004
    saturates = True
    zero_point: int

    def __init__(self) -> None:
        self.version = torch.__version__
        _ = torch.ops.onednn.qlinear_pointwise.default

    def pack(self, weights: Weights, threads: int) -> Any:
        return weights

    def prepare(self, packed: Weights, x: Activations, threads: int) -> list[Call]:
        # Packed anew for each m, not once: told the number of rows, oneDNN chooses the layout for it.
        weight = torch.ops.onednn.qlinear_prepack(packed.q, [x.m, packed.k])
        x_q = (x.q.int() + self.zero_point).to(torch.uint8 if self.zero_point else torch.int8)
        zeros = torch.zeros(packed.n, dtype=torch.int64)
        return [
            Call(
                lambda: torch.ops.onednn.qlinear_pointwise(
                    x_q,
                    1.0,
                    self.zero_point,
                    weight,
                    packed.scale,
                    zeros,
                    None,
                    1.0,
                    0,
                    torch.bfloat16,
                    "none",
                    [],
                    "",
                )
            )
        ]


class OneDnnUnsigned(_OneDnn):
    """`onednn.qlinear_pointwise`, weight prepacked, uint8 activations with zero point 128, bfloat16 out.

    A scale per channel and one for all of the activations: it has none per token.
    """

    name = "oneDNN u8"
    zero_point = 128


class OneDnnSigned(_OneDnn):
    """The same with int8 activations: fast where oneDNN has a kernel for them (AMX), reference code elsewhere."""

    name = "oneDNN s8"
    zero_point = 0
