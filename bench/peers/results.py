"""What was measured, as data. Everything after the run (verdict, tables, picture) reads this and nothing else."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
PACKED, STORED = "a8w8 packed", "a8w8 stored"
CPP = {"packed": "C++ packed", "stored": "C++ stored"}  # the same, called from C++


@dataclass(frozen=True)
class Entrant:
    """A candidate as the tables know it; `missing` says why it is not here, `through` who calls it."""

    name: str
    role: str
    takes: str
    version: str = ""
    missing: str | None = None
    through: str = "PyTorch"


@dataclass
class Row:
    """Microseconds of each candidate at a shape.

    And what probes of the machine's limits reached in turns with ours called from C++, where they took part.
    """

    m: int
    n: int
    k: int
    threads: int
    cold: bool
    us: dict[str, float]
    peak_gops: float | None = None
    read_gbps: float | None = None

    @property
    def where(self) -> str:
        return f"{self.m} x {self.n} x {self.k}, {threads_text(self.threads)}{', cold' if self.cold else ''}"

    def gops(self, name: str) -> float:
        return 2e-3 * self.m * self.n * self.k / self.us[name]

    def gbps(self, name: str) -> float:
        """GB/s of weights read."""
        return 1e-3 * self.n * self.k / self.us[name]


@dataclass
class Extra:
    """Microseconds of things measured apart, taking turns; `group` says what the question is."""

    group: str
    where: str
    us: dict[str, float]


@dataclass
class Machine:
    """Of this machine, by number of threads: from the C++ benchmark, in the same run."""

    cpu: str
    isa: str
    peak_int8_gops: dict[int, float] = field(default_factory=dict)
    read_gbps: dict[int, float] = field(default_factory=dict)
    cpp_call_us: float | None = None


@dataclass
class Results:
    suite: str
    versions: dict[str, str]
    machine: Machine
    entrants: list[Entrant]
    rows: list[Row] = field(default_factory=list)
    extras: list[Extra] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # who was left out where, and why
    wrong: list[str] = field(default_factory=list)  # answers that are not right
    clipped: list[str] = field(
        default_factory=list
    )  # who clips sums on this CPU: shown, but none to be measured against

    def names(self, role: str) -> list[str]:
        return [entrant.name for entrant in self.entrants if entrant.role == role and entrant.missing is None]

    def peers(self) -> list[str]:
        """Whom ours are measured against: peers that give the right answer."""
        return [name for name in self.names("peer") if name not in self.clipped]

    def takes(self, name: str) -> str:
        return next(entrant.takes for entrant in self.entrants if entrant.name == name)

    def best_peer(self, row: Row) -> tuple[str, float] | None:
        """Name, and how many times as long as ours it takes.

        Ours is the packed op called as the peer is, through PyTorch or from C++ (or as it was measured).
        """
        through = {entrant.name: entrant.through for entrant in self.entrants}
        ratios = {}
        for name in self.peers():
            ours = row.us.get(PACKED if through[name] == "PyTorch" else CPP["packed"], row.us.get(PACKED))
            if ours is not None and name in row.us:
                ratios[name] = row.us[name] / ours
        return min(ratios.items(), key=lambda item: item[1]) if ratios else None


def reason(error: Exception) -> str:
    """An exception in a line for the tables, without the places of files on this machine."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    first = (text.splitlines() or [""])[0].replace(f"{REPOSITORY}/", "")
    return f"{type(error).__name__}: {first}"[:200]


def threads_text(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def save(results: Results, file: Path, **more: Any) -> None:
    """Writes JSON; `more` are further members, the verdict for instance."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(dataclasses.asdict(results) | more, indent=2) + "\n", encoding="utf-8")


def load(file: Path) -> Results:
    """What `save` wrote, to show or to judge it again."""
    data = json.loads(file.read_text(encoding="utf-8"))
    machine = data["machine"]
    for by_threads in ("peak_int8_gops", "read_gbps"):
        machine[by_threads] = {int(threads): value for threads, value in machine[by_threads].items()}
    return Results(
        suite=data["suite"],
        versions=data["versions"],
        machine=Machine(**machine),
        entrants=[Entrant(**entrant) for entrant in data["entrants"]],
        rows=[Row(**row) for row in data["rows"]],
        extras=[Extra(**extra) for extra in data["extras"]],
        notes=data["notes"],
        wrong=data["wrong"],
        clipped=data["clipped"],
    )
