"""What a candidate is."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from peers.operands import Activations, Weights


def _as_it_is(result: Any) -> Tensor:
    return result


@dataclass(frozen=True)
class Call:
    """run is timed; read makes a tensor (m, n) of what it returned and is not."""

    run: Callable[[], Any]
    read: Callable[[Any], Tensor] = _as_it_is


class Candidate(ABC):
    """One way to compute the linear. Its constructor imports what it needs; what that raises is why it is left out.

    takes      "int8", "float32" or "bfloat16": what the activations are when the clock starts
    gives      "result": float, with both scales; "scaled": without the scale of the rows; "sums": the int32 sums
    tolerance  the relative error its way of quantizing may have
    saturates  its kernels for CPUs without VNNI add pairs in int16 and may clip: large errors are to be expected there
    pool       whose threads it uses: see [pools] in measure.py
    through    "PyTorch" where it is called through it, else "C++": whom of ours it is measured against
    """

    name: ClassVar[str]
    role: ClassVar[str] = "peer"  # or "ours"; or "context": shown, but no peer of an int8 linear
    takes: ClassVar[str]
    gives: ClassVar[str] = "result"
    tolerance: ClassVar[float]
    saturates: ClassVar[bool] = False
    pool: ClassVar[str] = "OpenMP"
    through: ClassVar[str] = "PyTorch"
    version: str

    @abstractmethod
    def pack(self, weights: Weights, threads: int) -> Any:
        """What is made once of the weights."""

    def pack_twin(self, weights: Weights, threads: int) -> Any:
        """The same for calls that only go before others (`measure.cold_turn`): no thread may spin on after them."""
        return self.pack(weights, threads)

    @abstractmethod
    def prepare(self, packed: Any, x: Activations, threads: int) -> list[Call]:
        """What is called again and again: one or more ways to do it, of which the fastest at this shape counts."""
