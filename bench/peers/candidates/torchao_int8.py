"""torchao's int8 tensors."""

import contextlib
import io
import logging
from typing import Any

import torch

from peers.candidates.base import Call, Candidate
from peers.operands import Activations, Weights


class TorchAo(Candidate):
    """A linear under `Int8DynamicActivationInt8WeightConfig`: bfloat16 in and out, a scale for each token.

    Its wheels have no int8 kernel for x86: this is PyTorch's ops, one after the other, and torch.compile does not make
    it faster. What its PT2E road ends in is `qlinear_pointwise`, measured as oneDNN.
    """

    name = "torchao"
    takes = "bfloat16"
    tolerance = 0.03

    def __init__(self) -> None:
        logging.disable(logging.WARNING)  # it complains about its CUDA libraries
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                import torchao
                from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_
        finally:
            logging.disable(logging.NOTSET)
        self.version = torchao.__version__
        self._quantize, self._config = quantize_, Int8DynamicActivationInt8WeightConfig

    def pack(self, weights: Weights, threads: int) -> Any:
        linear = torch.nn.Linear(weights.k, weights.n, bias=False, dtype=torch.bfloat16)
        linear.weight.data = weights.float32().bfloat16()
        self._quantize(linear, self._config())
        return linear.requires_grad_(False)

    def prepare(self, packed: Any, x: Activations, threads: int) -> list[Call]:
        x_float = x.bfloat16
        return [Call(lambda: packed(x_float))]
