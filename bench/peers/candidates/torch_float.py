"""PyTorch's float linears: no peers, but what a model runs before it is quantized."""

from typing import Any

import torch

from peers.candidates.base import Call, Candidate
from peers.operands import Activations, Weights


class _Float(Candidate):
    role = "context"
    tolerance = 0.02

    def __init__(self) -> None:
        self.version = torch.__version__

    def pack(self, weights: Weights, threads: int) -> Any:
        return weights.float32().to(getattr(torch, self.takes))

    def prepare(self, packed: torch.Tensor, x: Activations, threads: int) -> list[Call]:
        x_float = getattr(x, self.takes)
        return [Call(lambda: torch.nn.functional.linear(x_float, packed))]


class Float32(_Float):
    """`torch.nn.functional.linear`, float32."""

    name = "torch f32"
    takes = "float32"


class Bfloat16(_Float):
    """`torch.nn.functional.linear`, bfloat16."""

    name = "torch bf16"
    takes = "bfloat16"
