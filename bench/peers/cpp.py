"""Our op called from C++: the benchmark of the program `a8w8`, asked for the shapes of one weight after the other.

In the same run as the peers, right before them. It checks its own answers.
"""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from peers.results import CPP, reason


@dataclass
class Figures:
    """Of one shape: microseconds by name, and what the machine did at most meanwhile."""

    us: dict[str, float] = field(default_factory=dict)
    peak_gops: float | None = None
    read_gbps: float | None = None


Times = dict[tuple[int, int, bool], Figures]  # by (m, threads, cold)

SECONDS = 0.1  # for each row, about


def measure(
    binary: Path,
    nk: tuple[int, int],
    m: Iterable[int],
    cold_m: Iterable[int],
    threads: int,
    complain: Callable[[str], None],
) -> Times:
    """Packed and stored weights at every m. Without the program, or if it fails, there are no figures."""
    times: Times = {}
    if not binary.is_file():
        return times  # said once, by machine.measure
    cold = set(cold_m)
    for rows, more in (((m for m in m if m in cold), ["--cold"]), ((m for m in m if m not in cold), [])):
        shapes = [f"{rows_of_a},{nk[0]},{nk[1]}" for rows_of_a in rows]
        if not shapes:
            continue
        try:
            for row in _rows(binary, [*shapes, "--threads", str(threads), *more]):
                figures = times.setdefault((row["m"], row["threads"], row["cold"]), Figures())
                figures.us[CPP[row["weights"]]] = row["lower_quartile_ns"] / 1e3
                figures.peak_gops = row.get("peak_gops_meanwhile")
                figures.read_gbps = row.get("read_gbps_meanwhile")
        except subprocess.CalledProcessError as error:
            complain(f"nothing from C++ for n={nk[0]} k={nk[1]}: {binary.name}: {(error.stderr or '').strip()}")
        except (OSError, KeyError, ValueError) as error:
            complain(f"nothing from C++ for n={nk[0]} k={nk[1]}: {reason(error)}")
    return times


def _rows(binary: Path, arguments: list[str]) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bench.json"
        subprocess.run(
            [binary, "bench", "gemm", "--weights", "both", "--seconds", str(SECONDS), "--json", file, "--shape"]
            + arguments,
            check=True,
            capture_output=True,
            text=True,
        )
        return json.loads(file.read_text(encoding="utf-8"))["rows"]
