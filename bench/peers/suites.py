"""The shapes: bench/suites.json, which the C++ benchmark reads as well."""

import json
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parents[1] / "suites.json"
COLD_M = (
    1,
    2,
    4,
    8,
)  # with weights out of the cache, too: from 16 rows on the arithmetic takes longer than the reading


@dataclass(frozen=True)
class Suite:
    """Every m with every (n, k)."""

    name: str
    m: tuple[int, ...]
    nk: tuple[tuple[int, int], ...]

    @property
    def cold_m(self) -> tuple[int, ...]:
        return tuple(m for m in self.m if m in COLD_M)

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        return [(m, n, k) for n, k in self.nk for m in self.m]


def load_suites(file: Path = FILE) -> dict[str, Suite]:
    suites = json.loads(file.read_text(encoding="utf-8"))["suites"]
    return {
        name: Suite(name, tuple(suite["m"]), tuple((n, k) for n, k in suite["nk"])) for name, suite in suites.items()
    }
