"""Operands for the op tests, as torch tensors and as the numpy arrays that the oracle takes."""

import numpy as np
import oracle
import pytest
import torch

TORCH = {
    "int8": torch.int8,
    "uint8": torch.uint8,
    "int32": torch.int32,
    "int64": torch.int64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
}


def to_numpy(t: torch.Tensor) -> np.ndarray:
    """The oracle carries bfloat16 as float32."""
    return t.float().numpy() if t.dtype == torch.bfloat16 else t.numpy()


def bits(t: torch.Tensor) -> np.ndarray:
    """Raw words, so that NaN and signed zero count."""
    words = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return t.contiguous().view(words[t.element_size()]).numpy()


def assert_same_bits(actual: torch.Tensor, expected: np.ndarray, dtype: str) -> None:
    """`expected` is the oracle's result; bfloat16 results are float32 arrays there. NaNs need only be NaNs."""
    assert actual.dtype == TORCH[dtype]
    assert tuple(actual.shape) == expected.shape
    if dtype == "bfloat16":
        expected_tensor = torch.from_numpy(oracle.bf16_bits(expected).view(np.int16).copy()).view(torch.bfloat16)
    else:
        expected_tensor = torch.from_numpy(np.ascontiguousarray(expected))
    expected_tensor = expected_tensor.reshape(actual.shape)
    same = torch.from_numpy(bits(actual) == bits(expected_tensor))
    if actual.is_floating_point():
        same |= actual.isnan() & expected_tensor.isnan()
    assert bool(same.all()), f"{int((~same).sum())} of {same.numel()} elements differ"


def matmul_is_legal_alike(call: dict[str, torch.Tensor], output: str, legal: bool) -> bool:
    """Asserts that npu_quant_matmul takes or refuses the call as `legal` says, and alike for CPU and Meta."""
    op = torch.ops.npu.npu_quant_matmul
    meta = {name: t.to("meta") for name, t in call.items()}
    if legal:
        result, shape_only = op(**call, output_dtype=TORCH[output]), op(**meta, output_dtype=TORCH[output])
        assert result.dtype == shape_only.dtype == TORCH[output]
        assert result.shape == shape_only.shape
        return True
    with pytest.raises(RuntimeError, match="npu_quant_matmul: .* table .*row") as eager:
        op(**call, output_dtype=TORCH[output])
    with pytest.raises(RuntimeError) as from_meta:
        op(**meta, output_dtype=TORCH[output])
    assert str(eager.value) == str(from_meta.value)
    return False


def random_tensor(
    rng: np.random.Generator, dtype: str, shape: tuple[int, ...], low: float, high: float
) -> torch.Tensor:
    if dtype in ("int8", "int32", "int64", "uint8"):
        return torch.from_numpy(rng.integers(int(low), int(high) + 1, shape)).to(TORCH[dtype])
    return torch.from_numpy(rng.uniform(low, high, shape)).to(TORCH[dtype])
