"""What this machine can do: asked of the C++ benchmark, in the same run."""

import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peers.results import Machine, reason

CALL_SHAPE = (1, 64, 64)  # too small to matter: what is left is the call


def ask(binary: Path, threads: int) -> dict[str, Any]:
    """The JSON of `a8w8 bench gemm` on the smallest shape."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bench.json"
        shape = ",".join(map(str, CALL_SHAPE))
        subprocess.run(
            [binary, "bench", "gemm", "--shape", shape, "--threads", str(threads), "--json", file],
            check=True,
            capture_output=True,
            text=True,
        )
        return json.loads(file.read_text(encoding="utf-8"))


def add(machine: Machine, report: dict[str, Any], threads: int) -> None:
    """Takes over what a report says. The only place that knows the names in it.

    Of several reports the fastest figure counts: disturbances only ever lower peak and bandwidth.
    """
    figures = report["machine"]
    machine.cpu, machine.isa = figures["cpu"], figures["isa"]
    peak, read = machine.peak_int8_gops, machine.read_gbps
    peak[threads] = max(peak.get(threads, 0.0), figures["peak_int8_gops"])
    read[threads] = max(read.get(threads, 0.0), figures["read_gbps"])
    calls = [row["median_ns"] / 1e3 for row in report["rows"] if (row["m"], row["n"], row["k"]) == CALL_SHAPE]
    if threads == 1 and calls:
        machine.cpp_call_us = min([*calls, *([] if machine.cpp_call_us is None else [machine.cpp_call_us])])


def measure(machine: Machine, binary: Path, threads: list[int], complain: Callable[[str], None]) -> None:
    """Adds the figures for each number of threads. Without the binary the promises that need them stay open."""
    if not binary.is_file():
        complain(f"peak and bandwidth are unknown: there is no {binary.parent.name}/{binary.name}")
        return
    try:
        for count in threads:
            add(machine, ask(binary, count), count)
    except subprocess.CalledProcessError as error:
        complain(f"peak and bandwidth are unknown: {binary.name} bench fails: {(error.stderr or '').strip()}")
    except (OSError, KeyError, ValueError) as error:
        complain(f"peak and bandwidth are unknown: {binary.name} bench: {reason(error)}")
