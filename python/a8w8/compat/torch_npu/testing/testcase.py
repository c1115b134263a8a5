"""torch_npu.testing.testcase: a unittest.TestCase that compares tensors, with the vendor's tolerances."""

import os
import random
import sys
import unittest
from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np
import torch
from torch_npu.testing.common_utils import set_npu_device

from a8w8.compat._refusal import refuse

__all__ = ["TestCase", "run_tests"]
__getattr__ = refuse(__name__)


def run_tests() -> None:
    """Runs the tests of the script, as `unittest.main()` does."""
    unittest.main(argv=sys.argv)


class TestCase(unittest.TestCase):
    """Seeds the random numbers before each test, and compares."""

    maxDiff = None
    precision = 1e-5

    @classmethod
    def setUpClass(cls) -> None:
        """Selects the device, as torch_npu's does."""
        super().setUpClass()
        cls.npu_device = set_npu_device()

    def setUp(self) -> None:
        """The same random numbers for each test: from the environment variable SEED, or 666."""
        super().setUp()
        seed = int(os.environ.get("SEED", "666"))
        torch.manual_seed(seed)
        random.seed(seed)

    def assertRtolEqual(
        self,
        x: Any,
        y: Any,
        prec: float = 1e-4,
        prec16: float = 1e-3,
        auto_trans_dtype: bool = False,
        message: str | None = None,
    ) -> None:
        """Fails if more than prec * size elements miss the bound prec absolutely, and as many miss it relatively.

        Args:
            x, y: tensors, arrays, numbers, or sequences of them; of one shape and one dtype.
            prec: the bound; two bfloat16 tensors have to be close within prec16 in every element.
            prec16: the bound for float16.
            auto_trans_dtype: convert x to the dtype of y first.
            message: what a failure says first.
        """
        if _is_sequence(x) and _is_sequence(y):
            self.assertEqual(len(x), len(y), message=message)
            for one, other in zip(x, y, strict=True):
                self.assertRtolEqual(one, other, prec, prec16, auto_trans_dtype, message)
            return
        x, y = _as_tensor(x, like=y), _as_tensor(y, like=x)
        if auto_trans_dtype:
            x = x.to(y.dtype)
        if x.shape != y.shape:
            self.fail(_text(message, f"shapes differ: {tuple(x.shape)}, {tuple(y.shape)}"))
        if x.dtype != y.dtype:
            self.fail(_text(message, f"dtypes differ: {x.dtype}, {y.dtype}"))
        problem = _rtol_problem(x, y, prec, prec16)
        if problem:
            self.fail(_text(message, problem))

    def assertEqual(
        self,
        x: Any,
        y: Any,
        prec: float | str | None = None,
        message: str | None = None,
        allow_inf: bool = False,
        exact_dtype: bool = False,
    ) -> None:
        """Equal within prec (1e-5): tensors, numbers, and containers of them. Anything else: `==`.

        Infinities are a failure unless allow_inf; dtypes may differ unless exact_dtype.
        """
        if isinstance(prec, str):  # unittest's own order of arguments
            prec, message = None, prec
        bound = self.precision if prec is None else prec
        x, y = (torch.from_numpy(value) if isinstance(value, np.ndarray) else value for value in (x, y))
        rest = {"prec": bound, "message": message, "allow_inf": allow_inf, "exact_dtype": exact_dtype}
        if isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor):
            self._assert_tensors_equal(x, y, **rest)
        elif _is_number(x) and _is_number(y):
            self._assert_numbers_equal(x, y, **rest)
        elif isinstance(x, Mapping) and isinstance(y, Mapping):
            super().assertEqual(set(x), set(y), message)
            for key in x:
                self.assertEqual(x[key], y[key], **rest)
        elif _is_sequence(x) and _is_sequence(y):
            super().assertEqual(len(x), len(y), message)
            for one, other in zip(x, y, strict=True):
                self.assertEqual(one, other, **rest)
        else:
            super().assertEqual(x, y, message)

    def _assert_tensors_equal(
        self, x: torch.Tensor, y: torch.Tensor, prec: float, message: str | None, allow_inf: bool, exact_dtype: bool
    ) -> None:
        super().assertEqual(tuple(x.shape), tuple(y.shape), message)
        if exact_dtype:
            super().assertEqual(x.dtype, y.dtype, message)
        x, y = x.detach().cpu(), y.detach().cpu()
        if not allow_inf and x.dtype.is_floating_point and (torch.isinf(x).any() or torch.isinf(y).any()):
            self.fail(_text(message, "infinities"))
        kind = torch.complex128 if x.dtype.is_complex or y.dtype.is_complex else torch.float64
        same = torch.eq(x, y) | torch.isclose(x.to(kind), y.to(kind), rtol=0, atol=prec, equal_nan=True)
        if not bool(same.all()):
            self.fail(_text(message, f"{int((~same).sum())} of {same.numel()} elements differ by more than {prec}"))

    def _assert_numbers_equal(
        self, x: Any, y: Any, prec: float, message: str | None, allow_inf: bool, exact_dtype: bool
    ) -> None:
        x, y = (value.item() if isinstance(value, torch.Tensor) else value for value in (x, y))
        infinite = float("inf") in (abs(x), abs(y))
        if infinite and not allow_inf:
            self.fail(_text(message, f"infinite: {x}, {y}"))
        if infinite:
            super().assertEqual(x, y, message)
        else:
            super().assertLessEqual(abs(x - y), prec, message)


def _rtol_problem(x: torch.Tensor, y: torch.Tensor, prec: float, prec16: float) -> str | None:
    """What is wrong with two tensors of one shape and dtype, or None."""
    if x.dtype == torch.bfloat16:
        return None if torch.allclose(x, y, rtol=prec16, atol=prec16) else f"bfloat16 elements differ by {prec16}"
    if x.dtype.is_complex:
        return f"{x.dtype} cannot be compared"
    a, b = x.numpy(), y.numpy()
    if a.dtype == np.bool_:
        return None if np.array_equal(a, b) else "booleans differ"
    bound, smallest = (prec16, 6e-8) if a.dtype == np.float16 else (prec, 1e-9)
    equal = a == b  # exactly, so also where int64 exceeds float64
    a, b = a.astype(np.float64), b.astype(np.float64)
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return "NaN in different places"
    error = np.where(equal | np.isnan(a), 0.0, np.abs(a - b))
    with np.errstate(invalid="ignore"):
        relative = error / (np.maximum(np.abs(a), np.abs(b)) + smallest)
    beyond = [int(np.sum(~(measure <= bound) & ~np.isnan(a))) for measure in (error, relative)]
    if min(beyond) <= a.size * bound:
        return None
    return f"of {a.size} elements, {beyond[0]} differ by more than {bound}, {beyond[1]} relatively"


def _as_tensor(value: Any, like: Any) -> torch.Tensor:
    """A tensor on the CPU; of the dtype of `like`, if the value is a sequence and that is a tensor."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    if _is_sequence(value) and isinstance(like, torch.Tensor):
        return torch.as_tensor(value, dtype=like.dtype)
    return torch.as_tensor(np.asarray(value))


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _is_number(value: Any) -> bool:
    return isinstance(value, (Number, np.bool_)) or (isinstance(value, torch.Tensor) and value.numel() == 1)


def _text(message: str | None, problem: str) -> str:
    return f"{message}: {problem}" if message else problem
