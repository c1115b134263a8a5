"""PyTorch's dynamic quantization."""

import warnings
from typing import Any

import torch

from peers.candidates.base import Call, Candidate
from peers.operands import Activations, Weights


class Fbgemm(Candidate):
    """`quantized.linear_dynamic`, the op behind `torch.ao.nn.quantized.dynamic.Linear`: float32 in and out, FBGEMM.

    The activations are quantized to 7 bits, one scale and zero point for all of them, as that module does.
    """

    name = "torch dynamic"
    takes = "float32"
    tolerance = 0.03
    saturates = True

    def __init__(self) -> None:
        self.version = torch.__version__
        _ = torch.ops.quantized.linear_dynamic.default

    def pack(self, weights: Weights, threads: int) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch is about to retire quantized tensors
            zeros = torch.zeros(weights.n, dtype=torch.int64)
            quantized = torch._make_per_channel_quantized_tensor(weights.q, weights.scale.double(), zeros, 0)
            return torch.ops.quantized.linear_prepack(quantized, None)

    def prepare(self, packed: Any, x: Activations, threads: int) -> list[Call]:
        x_float = x.float32
        return [Call(lambda: torch.ops.quantized.linear_dynamic(x_float, packed, True))]
