"""a8w8: through PyTorch, as the peers of PyTorch are called."""

from typing import Any

import a8w8
import torch

from peers.candidates.base import Call, Candidate
from peers.operands import Activations, Weights


class _Ours(Candidate):
    role = "ours"

    def __init__(self) -> None:
        self.version = a8w8.__version__


class Stored(_Ours):
    """`npu_quant_matmul` on the weight as a checkpoint stores it: scale per channel and per token, bfloat16 out."""

    name = "a8w8 stored"
    takes = "int8"
    tolerance = 0.004

    def pack(self, weights: Weights, threads: int) -> Any:
        return weights

    def prepare(self, packed: Weights, x: Activations, threads: int) -> list[Call]:
        return [
            Call(
                lambda: torch.ops.npu.npu_quant_matmul(
                    x.q, packed.q.t(), packed.scale, pertoken_scale=x.token_scale, output_dtype=torch.bfloat16
                )
            )
        ]


class Packed(_Ours):
    """The same on a weight that was packed once."""

    name = "a8w8 packed"
    takes = "int8"
    tolerance = 0.004

    def pack(self, weights: Weights, threads: int) -> Any:
        return torch.ops.a8w8.pack_weight(weights.q), weights

    def prepare(self, packed: Any, x: Activations, threads: int) -> list[Call]:
        packed_weight, weights = packed
        return [
            Call(
                lambda: a8w8.ops.quant_matmul_packed(
                    x.q,
                    packed_weight,
                    weights.scale,
                    n=weights.n,
                    pertoken_scale=x.token_scale,
                    output_dtype=torch.bfloat16,
                )
            )
        ]


class _Dynamic(_Ours):
    tolerance = 0.02

    def pack(self, weights: Weights, threads: int) -> Any:
        return torch.ops.a8w8.pack_weight(weights.q), weights.scale

    def prepare(self, packed: Any, x: Activations, threads: int) -> list[Call]:
        weight, scale = packed
        x_float = getattr(x, self.takes)
        return [Call(lambda: torch.ops.a8w8.linear_dynamic(x_float, weight, scale))]


class DynamicFloat32(_Dynamic):
    """`linear_dynamic` on the packed weight: float32 in, float32 out, each row quantized with a scale of its own."""

    name = "a8w8 dynamic f32"
    takes = "float32"


class DynamicBfloat16(_Dynamic):
    """The same, bfloat16 in and out."""

    name = "a8w8 dynamic bf16"
    takes = "bfloat16"
